"""How many neighbours should vote: the k that answers best on training rows that are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError, derived_seed, integer
from nearkin.decision.links import Space
from nearkin.decision.nearest import nearest
from nearkin.decision.votes import voted_for

GRID = (1, 3, 5, 7, 9)
"""What document 002 would have searched: odd numbers up to a few more than its 7 images a class."""


@dataclass(frozen=True)
class ChosenK:
    """k: the best of the grid, the smallest among equals; accuracy: share right of every k; asked: rows it was measured on."""

    k: int
    accuracy: Mapping[int, float]
    asked: int

    def as_section(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return {"k": self.k, "accuracy": {str(k): value for k, value in self.accuracy.items()}, "asked": self.asked}


def choose_k(
    space: Space,
    rows: ArrayLike,
    codes: ArrayLike,
    *,
    grid: Sequence[int] = GRID,
    weights: str = "distance",
    folds: int | None = 5,
    seed: int = 0,
) -> ChosenK:
    """The k of the grid whose votes are right most often [METHODS 15, step 7].

    Shapes:   projected rows (N, D), codes (N,) integers
    folds:    5 stratified folds by default: each class is dealt out evenly, in an order drawn from `seed`, and each fold is
              answered by the others. None: leave one row out at a time, which draws nothing
    weights:  of the votes, "distance" (document 002) or "uniform"
    Lone:     the only row of a class cannot be answered rightly and is not asked, but it votes
    Errors:   InputError for an empty grid, folds below 2, and where no class has two rows
    Differs:  document 002 explains its k = 7 by the 7 images of a class; in 5 folds a query meets 5.6 of its own class

    >>> rows = [[0.0], [0.1], [0.2], [1.0], [1.1], [1.2]]
    >>> choose_k(Space(), rows, [0, 0, 0, 1, 1, 1], grid=(1, 5), folds=None, weights="uniform").accuracy
    {1: 1.0, 5: 0.0}
    """
    labels, given = np.asarray(codes), np.asarray(rows, dtype=np.float32)
    ks = checked_grid(grid)
    sizes = np.unique(labels, return_inverse=True, return_counts=True)
    able = sizes[2][sizes[1]] > 1
    if not able.any():
        raise InputError("no class has two rows, so that none can be left out to try k; give more images, or k itself")
    groups = (
        np.arange(len(labels)) if folds is None else _stratified(sizes[1], integer("folds", folds, minimum=2), seed)
    )
    asked = np.flatnonzero(able)
    found = nearest(space, given[asked], given, max(ks), query_groups=groups[asked], reference_groups=groups)
    voters = np.where(found.places >= 0, sizes[1][found.places], -1)
    return best_k(found.distances, voters, sizes[1][asked], ks, weights)


def best_k(
    distances: NDArray[np.float64], voters: NDArray[np.int64], truth: NDArray[np.int64], ks: Sequence[int], weights: str
) -> ChosenK:
    """The best k of searches that were made already, (A, K) with K at least the largest k; the smallest without searches."""
    if not len(truth):
        return ChosenK(min(ks), {}, 0)
    accuracy = {k: float(voted_for(distances[:, :k], voters[:, :k], truth, weights=weights)[0].mean()) for k in ks}
    return ChosenK(max(ks, key=lambda k: (accuracy[k], -k)), accuracy, len(truth))


def checked_grid(grid: Sequence[int]) -> tuple[int, ...]:
    """The grid in rising order, each once."""
    ks = tuple(sorted({integer("k", k, minimum=1) for k in grid}))
    if not ks:
        raise InputError("the grid of k is empty; give at least one number of neighbours")
    return ks


def _stratified(codes: NDArray[Any], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold (N,) of each row: classes are dealt out one after the other, each in a drawn order."""
    drawn = np.random.default_rng(derived_seed(seed, "folds")).permutation(len(codes))
    dealt = drawn[np.argsort(codes[drawn], kind="stable")]
    groups = np.empty(len(codes), dtype=np.int64)
    groups[dealt] = np.arange(len(codes)) % folds
    return groups
