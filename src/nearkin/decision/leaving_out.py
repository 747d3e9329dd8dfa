"""Enrolled rows that ask as if they were new: searches among all others, with as many images of the own class as of rivals."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError, derived_seed
from nearkin.decision.links import Space
from nearkin.decision.nearest import nearest
from nearkin.decision.prototypes import class_means

FOLDS = 10
"""Parts at most. A class of so many images or fewer has one image a part."""

MOST = 2000
"""Searches at most: parameters fitted to more do not change what a probability says."""


class LeftOut(NamedTuple):
    """Searches of enrolled rows, each without the part that it belongs to.

    asked:     (A,) places of the rows that asked; a class of one image cannot ask, for nothing of it would be left
    distances: (A, K) float64, nearest first, inf where there are fewer; voters (A, K), their class codes, -1 for none
    kept:      share of a class's images that a row that asked still saw, the mean over rows; 1 where nobody asked
    """

    asked: NDArray[np.int64]
    distances: NDArray[np.float64]
    voters: NDArray[np.int64]
    kept: float


def parts_of(codes: ArrayLike, most: int = FOLDS) -> NDArray[np.int64]:
    """The part (N,) of each row: its number among the rows of its class, modulo `most`; -1 for the lone row of a class.

    >>> parts_of([7, 7, 3, 9, 7, 3]).tolist()
    [0, 1, 0, -1, 2, 1]
    """
    found = np.asarray(codes)
    order = np.argsort(found, kind="stable")
    starts = np.flatnonzero(np.diff(found[order], prepend=found[order][:1] - 1))
    sizes = np.diff(starts, append=len(order))
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = np.arange(len(order)) - np.repeat(starts, sizes)
    lone = np.empty(len(order), dtype=bool)
    lone[order] = np.repeat(sizes == 1, sizes)
    return np.where(lone, -1, numbers % most)


def left_out(
    space: Space, rows: ArrayLike, codes: ArrayLike, depth: int, *, may_ask: ArrayLike | None = None, most: int = MOST
) -> LeftOut:
    """The `depth` nearest of every row that can be left out.

    One image of *every* class is left out with it (one part in ten of large classes). Leaving out the row alone would set
    m - 1 images of its class against m of each rival, which a new photo never meets: with two images a class that costs
    eight points of accuracy (faces: 0.71 against 0.79), and every probability fitted to it is too low.

    Shapes:   projected rows (N, D), codes (N,) integers
    may_ask:  (N,) bool, by default all: rows that the embedding was trained on lie nearer to their class than new ones
              do, and must not ask
    most:     rows asked at most, a sample drawn with a fixed seed; 2,000 by default
    """
    kept, labels = np.asarray(rows, dtype=np.float32), np.asarray(codes)
    parts, asked = _who_asks(labels, may_ask, most)
    found = nearest(space, kept[asked], kept, depth, query_groups=parts[asked], reference_groups=parts)
    voters = np.where(found.places >= 0, labels[found.places], -1)
    return _answered(labels, parts, asked, found.distances, voters)


def left_out_prototypes(
    space: Space, rows: ArrayLike, codes: ArrayLike, depth: int, *, may_ask: ArrayLike | None = None, most: int = MOST
) -> LeftOut:
    """The `depth` nearest class means of every row that can be left out, the means taken without its part."""
    kept, labels = np.asarray(rows, dtype=np.float64), np.asarray(codes)
    parts, asked = _who_asks(labels, may_ask, most)
    distances = np.full((len(asked), depth), np.inf)
    voters = np.full((len(asked), depth), -1, dtype=np.int64)
    for part in np.unique(parts[asked]):
        places, there = np.flatnonzero(parts[asked] == part), parts != part
        classes, codes_left = np.unique(labels[there], return_inverse=True)
        means = class_means(space, kept[there], codes_left, len(classes))
        found = nearest(space, kept[asked[places]], means, depth)
        distances[places] = found.distances
        voters[places] = np.where(found.places >= 0, classes[found.places], -1)
    return _answered(labels, parts, asked, distances, voters)


def some_of(places: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """The places, or a sample of `most` of them in rising order, the same for the same number of places."""
    if len(places) <= most:
        return places
    drawn = np.random.default_rng(derived_seed(0, "asked", len(places), most)).permutation(len(places))[:most]
    return places[np.sort(drawn)]


def _who_asks(codes: NDArray[Any], may_ask: ArrayLike | None, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    parts = parts_of(codes)
    able = parts >= 0
    if may_ask is not None:
        allowed = np.asarray(may_ask)
        if allowed.shape != codes.shape or allowed.dtype != np.bool_:
            raise InputError(
                f"may_ask must be one flag (bool) a row, {codes.shape}, got {allowed.dtype} {allowed.shape}"
            )
        able &= allowed
    places = np.flatnonzero(able)
    return parts, some_of(places, most)


def _answered(
    codes: NDArray[Any],
    parts: NDArray[np.int64],
    asked: NDArray[np.int64],
    distances: NDArray[np.float64],
    voters: NDArray[np.int64],
) -> LeftOut:
    if not len(asked):
        return LeftOut(asked, distances, voters, 1.0)
    classes, own = np.unique(codes, return_inverse=True)
    sizes = np.bincount(own, minlength=len(classes))
    together = np.zeros((len(classes), FOLDS))
    np.add.at(together, (own[parts >= 0], parts[parts >= 0]), 1)
    share = 1 - together[own[asked], parts[asked]] / sizes[own[asked]]
    return LeftOut(asked, distances, voters, float(share.mean()))
