"""Labels of a classifier that grows and forgets, and what it says where it names no class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, InputTypeError


def with_unknowns(found: NDArray[Any], known: NDArray[np.bool_], classes: NDArray[Any], unknown: Any) -> NDArray[Any]:
    """The found classes (n,), and `unknown` where `known` (n,) is False; in a type that holds both.

    unknown: None for -1 beside numbers and "unknown" beside text
    Errors:  InputError where it is one of the classes, is of another kind than they, or where they are True and False
             and nothing was said

    >>> with_unknowns(np.array([3, 5]), np.array([True, False]), np.array([3, 5]), None).tolist()
    [3, -1]
    """
    kind = classes.dtype.kind
    if unknown is None and kind == "b":
        raise InputError("classes are True and False, so that there is no third one: set unknown, or threshold=None")
    label = (-1 if kind in "iuf" else "unknown") if unknown is None else unknown
    if kind != "O" and isinstance(label, str) != (kind in "US"):
        raise InputError(f"classes are {classes.dtype} and unknown is {label!r}; it must be of their kind")
    if any(label == each for each in classes.tolist()):
        raise InputError(f"{label!r} is a class here; set unknown to something that is none")
    if kind == "O":
        answer = found.copy()
        answer[~known] = label
        return answer
    wide = np.result_type(found, np.min_scalar_type(label) if kind in "iuf" else np.asarray(label))
    return np.where(known, found.astype(wide), np.asarray(label, dtype=wide))


def joined(labels: NDArray[Any], more: NDArray[Any]) -> NDArray[Any]:
    """Labels and more of them, of one kind: numbers beside numbers, text beside text."""
    if (labels.dtype.kind in "biuf") != (more.dtype.kind in "biuf"):
        raise InputTypeError(f"classes are {labels.dtype} so far and {more.dtype} now; give one kind")
    return np.concatenate([labels, more])


def all_but(labels: NDArray[Any], label: Any) -> NDArray[np.bool_]:
    """Where labels (N,) are another than `label`. Errors: InputError where nowhere is, or everywhere."""
    keep = np.array([each != label for each in labels.tolist()], dtype=bool)
    if not keep.any():
        raise InputError(f"{label!r} is the only class; a classifier without classes has nothing to answer")
    if keep.all():
        classes = np.unique(labels)
        more = f" and {len(classes) - 5} more" if len(classes) > 5 else ""
        raise InputError(
            f"there is no class {label!r} to forget; there are {', '.join(map(repr, classes[:5].tolist()))}{more}"
        )
    return keep
