"""Pairs as they would be counted if other classes had been met: classes drawn again, with replacement [EVA-7]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nearkin.decision.pairs import Counts, PairDistances

Array: TypeAlias = NDArray[np.float64]

RESAMPLED = 1_000_000
"""Pairs of each kind that a draw counts, at most; beyond, the nearest impostors and a sample of the others."""

STEPS = 4_000
"""Distances that a draw tells apart: so many at even ranks of each kind, and at even ratios of the impostors' ranks."""


def drawn(pairs: PairDistances, resamples: int, seed: int) -> Iterator[Counts]:
    """`resamples` draws of as many classes as there are, and what they make of the pairs, as `PairDistances.counts` does.

    Pairs that share a class are not independent: a class whose images look like another's makes many bad pairs at once.
    So classes are drawn, not pairs. Where there are more distinct distances than a draw tells apart, neighbouring ones
    count as the largest of them.
    """
    rng = np.random.default_rng(seed)
    some = pairs.thinned(RESAMPLED)
    if some.first is None or some.second is None:
        return
    ends = _ends(some)
    group = np.searchsorted(ends, np.arange(len(some)))
    positive, negative = np.flatnonzero(some.same), np.flatnonzero(~some.same)
    own, own_weights, own_group = some.first[positive], some.weights[positive], group[positive]
    one, two, weights, groups = some.first[negative], some.second[negative], some.weights[negative], group[negative]
    distances, even = some.distances[ends], np.full(pairs.classes, 1 / pairs.classes)
    for _ in range(resamples):
        times = rng.multinomial(pairs.classes, even).astype(np.float64)
        yield Counts(
            distances,
            _summed(own_group, own_weights * times[own], len(ends)),
            _summed(groups, weights * times[one] * times[two], len(ends)),
        )


def no_classes_to_draw(pairs: PairDistances) -> str:
    """Why there can be no draws, in words; empty where there can."""
    if pairs.first is None:
        return "the pairs were given without their classes"
    if pairs.classes < 3:
        return f"{pairs.classes} classes are too few to resample"
    return ""


def _ends(pairs: PairDistances) -> NDArray[np.int64]:
    """The last place of each distance that is told apart."""
    ends = np.append(np.flatnonzero(pairs.distances[1:] > pairs.distances[:-1]), len(pairs) - 1)
    if len(ends) <= 3 * STEPS:
        return ends
    positive, negative = np.flatnonzero(pairs.same), np.flatnonzero(~pairs.same)
    some = [np.array([len(pairs) - 1])]
    for places in (positive, negative):
        if len(places):
            some.append(places[np.linspace(0, len(places) - 1, STEPS).astype(np.int64)])
    if len(negative):
        some.append(negative[np.geomspace(1, len(negative), STEPS).astype(np.int64) - 1])
    return np.unique(ends[np.searchsorted(ends, np.concatenate(some))])


def _summed(group: NDArray[np.int64], weights: Array, groups: int) -> Array:
    summed: Array = np.bincount(group, weights, minlength=groups).astype(np.float64, copy=False)
    return summed
