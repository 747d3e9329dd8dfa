"""A distance for estimators: by its name, without torch, or as an object with what it learned."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, InputTypeError
from nearkin.decision import LINKS, Space

Rows: TypeAlias = NDArray[np.float64]

SHORTEST = 1e-12
"""Rows no longer than this have no direction."""

LEARNED = ("mahalanobis", "relative-mahalanobis")


def space_of(distance: Any) -> Space:
    """The space in which `projected` rows are compared.

    distance: a name of `nearkin.distances.DISTANCES`, or a Distance; one that is learned must be given as a Distance
    Errors:   InputError for an unknown name, a learned distance by its name alone, a Distance of a kind of your own
    """
    if isinstance(distance, str):
        if distance in LEARNED:
            raise InputError(
                f"distance {distance!r} needs what it learned: give the Distance itself, for example "
                "InverseCovariance().fit(X).distance()"
            )
        return Space(distance)
    if not hasattr(distance, "project"):
        raise InputTypeError(f"distance must be a name or a Distance, got {distance!r}")
    name = getattr(distance, "name", None) or _name_of(distance)
    return Space(name, {option: getattr(distance, option) for option in LINKS[name].options})


def projected(distance: Any, rows: NDArray[Any]) -> Rows:
    """Rows (N, D) where squared distances are taken, (N, P) float64."""
    wide = np.asarray(rows, dtype=np.float64)
    if isinstance(distance, str):
        return _by_name(distance, wide)
    import torch

    with torch.no_grad():
        found: Rows = distance.project(torch.from_numpy(wide)).to(torch.float64).numpy()
    return found


def _by_name(name: str, rows: Rows) -> Rows:
    if name == "cosine":
        rows = rows / np.maximum(np.sqrt(np.square(rows).sum(1, keepdims=True)), SHORTEST)
    if name in ("snr", "snr-symmetric"):
        rows = (rows - rows.mean(1, keepdims=True)) / np.sqrt(rows.shape[1])
    return rows


def _name_of(distance: Any) -> str:
    from nearkin.distances import DISTANCES

    for name, kind in DISTANCES.items():
        if type(distance) is kind:
            return name
    raise InputError(f"{type(distance).__name__} has no form without torch; known: {', '.join(LINKS)}")
