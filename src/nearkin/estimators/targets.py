"""Target neighbours: the nearest points of the same class, fixed before anything is learned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

NOBODY = -1
"""Stands where a class has fewer members than targets are asked for."""

DISTANCES = 1 << 22
"""Distances held at a time."""


def target_neighbours(rows: NDArray[Any], codes: NDArray[Any], count: int) -> NDArray[np.int64]:
    """The `count` nearest rows of the same class for every row, nearest first, ties by the lowest index.

    Shapes:  rows (N, D), codes (N,) whole numbers -> (N, count) indices, -1 where a class of m members gives m - 1 < count
    Order:   by the Euclidean distance of the rows as given, made from differences in float64; never a row itself
    Memory:  O(4 million) distances, whatever the size of a class
    """
    found = np.full((len(rows), count), NOBODY, dtype=np.int64)
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        kept = min(count, len(members) - 1)
        step = max(1, DISTANCES // len(members))
        for start in range(0, len(members) if kept else 0, step):
            block = members[start : start + step]
            apart = cdist(rows[block].astype(np.float64), rows[members].astype(np.float64))
            apart[np.arange(len(block)), np.arange(start, start + len(block))] = np.inf
            found[block, :kept] = members[np.argsort(apart, axis=1, kind="stable")[:, :kept]]
    return found
