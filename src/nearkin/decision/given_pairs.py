"""Pairs whose distances somebody has measured already."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError, InputTypeError
from nearkin.decision.pairs import PairDistances, gathered

Array: TypeAlias = NDArray[np.float64]


def given_pairs(
    positive: ArrayLike,
    negative: ArrayLike,
    *,
    positive_classes: ArrayLike | None = None,
    negative_classes: ArrayLike | None = None,
) -> PairDistances:
    """Pairs whose distances are known already.

    Shapes:  positive (P,), negative (N,) distances, taken as they are; positive_classes (P,) and negative_classes (N, 2),
             both or neither, name the classes, so that they can be resampled
    Errors:  InputError for NaN and infinity, for no pair at all, for classes of other shapes

    >>> given_pairs([0.1, 0.3], [0.3, 0.9]).counts()
    Counts(distances=array([0.1, 0.3, 0.9]), positives=array([1., 1., 0.]), negatives=array([0., 1., 1.]))
    """
    near, far = _finite("positive", positive), _finite("negative", negative)
    if not len(near) + len(far):
        raise InputError("there are no pairs; give at least one distance")
    first = second = None
    classes = 0
    if (positive_classes is None) != (negative_classes is None):
        raise InputError("give positive_classes and negative_classes together, or neither")
    if positive_classes is not None:
        own, two = np.asarray(positive_classes), np.asarray(negative_classes)
        two = two.reshape(0, 2).astype(own.dtype) if not two.size else two
        if own.shape != (len(near),) or two.shape != (len(far), 2):
            raise InputError(
                f"positive_classes must be of the shape ({len(near)},) and negative_classes ({len(far)}, 2), "
                f"got {own.shape} and {two.shape}"
            )
        if (two[:, 0] == two[:, 1]).any():
            raise InputError("negative_classes names a pair within one class; that is a positive pair")
        names, codes = np.unique(np.concatenate([own, two[:, 0], own, two[:, 1]]), return_inverse=True)
        first, second = np.split(codes.astype(np.int32), 2)
        classes = len(names)
    same = np.repeat([True, False], [len(near), len(far)])
    return gathered(np.concatenate([near, far]), same, None, first, second, classes, len(near), len(far))


def _finite(name: str, values: ArrayLike) -> Array:
    array = np.asarray(values)
    if array.dtype.kind not in "fiu" and array.size:
        raise InputTypeError(f"{name} must be distances, numbers in one row, got {array.dtype}")
    if array.ndim != 1:
        raise InputError(f"{name} must be distances in one row, got the shape {array.shape}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds NaN or infinity, first at place {int(np.flatnonzero(~np.isfinite(array))[0])}")
    return array
