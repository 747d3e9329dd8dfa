"""Distances of pairs and the classes they come from: what verification and thresholds count [EVA-4, EVA-5]."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError, integer

Array: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int32]

DIGITS = 33
"""Binary digits of a distance that are compared: 10 decimal ones, so that the rounding of its computation parts no tie."""


class Counts(NamedTuple):
    """How many positive and negative pairs have each distinct distance.

    Shapes:  distances (T,) ascending and distinct; positives, negatives (T,) numbers of pairs, or their weights
    """

    distances: Array
    positives: Array
    negatives: Array


@dataclass(frozen=True)
class PairDistances:
    """Distances of pairs, nearest first, each with its classes.

    Shapes:    distances (M,) ascending; same (M,) bool, a positive pair; weights (M,), for how many pairs each stands:
               1 where all pairs are kept
    Classes:   first, second (M,) class codes below `classes`; None where pairs were given without them
    positives: number of positive pairs that were compared, kept or not; `negatives` of negative pairs
    scoring:   how a pair was measured, in words
    notes:     sentences for the reader
    """

    distances: Array
    same: NDArray[np.bool_]
    weights: Array
    first: Codes | None
    second: Codes | None
    classes: int
    positives: int
    negatives: int
    scoring: str = "as given"
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.distances)

    @property
    def positive_share(self) -> float:
        """Share of all pairs that are positive."""
        return self.positives / max(1, self.positives + self.negatives)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """Where each distinct distance begins."""
        return np.flatnonzero(np.concatenate([[True], self.distances[1:] > self.distances[:-1]]))

    def counts(self, times: ArrayLike | None = None) -> Counts:
        """Pairs of each distinct distance.

        times: (classes,) how often each class was drawn into a resample. A positive pair then counts as often as its
               class was, a negative one as often as both of its classes together; copies of a class make no pairs
        """
        weights = self.weights
        if times is not None:
            if self.first is None or self.second is None:
                raise InputError("these pairs were given without their classes, so classes cannot be resampled")
            drawn = np.asarray(times, dtype=np.float64)
            weights = weights * drawn[self.first] * np.where(self.same, 1.0, drawn[self.second])
        positives = np.where(self.same, weights, 0.0)
        return Counts(self.distances[self._starts], self._summed(positives), self._summed(weights - positives))

    def _summed(self, weights: Array) -> Array:
        if len(self._starts) == len(self.distances):
            return weights
        summed: Array = np.add.reduceat(weights, self._starts)
        return summed

    def histogram(self, bins: int = 60, share: float = 0.998) -> tuple[Array, Array, Array]:
        """For a picture: edges (bins + 1,) up to the quantile `share` of both kinds, and the share of the positive and
        of the negative pairs in each bin."""
        low, high = min(0.0, float(self.distances[0])), 0.0
        for kind in (self.same, ~self.same):
            if kind.any():
                cumulated = np.cumsum(self.weights[kind])
                place = np.searchsorted(cumulated, share * cumulated[-1])
                high = max(high, float(self.distances[kind][min(place, len(cumulated) - 1)]))
        edges = np.linspace(low, high if high > low else low + 1, integer("bins", bins, minimum=1) + 1)
        heights = [np.histogram(self.distances[k], edges, weights=self.weights[k])[0] for k in (self.same, ~self.same)]
        return edges, heights[0] / max(1, self.positives), heights[1] / max(1, self.negatives)

    def thinned(self, limit: int) -> PairDistances:
        """About `limit` pairs of each kind that stand for all: the nearest quarter of the negative ones one by one, and
        every n-th of the others, which weighs as much as what it stands for."""
        most = integer("limit", limit, minimum=100)
        positive, negative = np.flatnonzero(self.same), np.flatnonzero(~self.same)
        near = len(negative) if len(negative) <= most else most // 4
        kept, weights = [negative[:near]], [self.weights[negative[:near]]]
        for crowd, room in ((negative[near:], most - near), (positive, most)):
            chosen = crowd[:: max(1, -(-len(crowd) // max(1, room)))]
            whole, part = self.weights[crowd].sum(), self.weights[chosen].sum()
            kept.append(chosen)
            weights.append(self.weights[chosen] * (whole / part if len(chosen) else 1.0))
        return self._taken(np.concatenate(kept), np.concatenate(weights))

    def _taken(self, places: NDArray[np.int64], weights: Array) -> PairDistances:
        order = np.argsort(places, kind="stable")
        places = places[order]
        return PairDistances(
            self.distances[places],
            self.same[places],
            weights[order],
            None if self.first is None else self.first[places],
            None if self.second is None else self.second[places],
            self.classes,
            self.positives,
            self.negatives,
            self.scoring,
            self.notes,
        )


def gathered(
    distances: Array,
    same: NDArray[np.bool_],
    weights: Array | None,
    first: Codes | None,
    second: Codes | None,
    classes: int,
    positives: int,
    negatives: int,
    scoring: str = "as given",
    notes: tuple[str, ...] = (),
) -> PairDistances:
    """PairDistances of pairs in any order."""
    order = np.argsort(distances, kind="stable")
    return PairDistances(
        distances[order],
        same[order],
        np.ones(len(order)) if weights is None else weights[order],
        None if first is None else first[order],
        None if second is None else second[order],
        classes,
        positives,
        negatives,
        scoring,
        notes,
    )


def settled(distances: Array) -> Array:
    """Distances to 33 binary digits: those that differ only by the rounding of their computation become equal."""
    fraction, exponent = np.frexp(distances)
    rounded: Array = np.ldexp(np.round(fraction * 2.0**DIGITS), exponent - DIGITS)
    return rounded
