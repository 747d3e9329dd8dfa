"""Which of the pairs that stream by are kept: all, or all near negative ones and a sample that stands for the rest."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nearkin.decision.pairs import Codes, PairDistances, gathered

Array: TypeAlias = NDArray[np.float64]
Part: TypeAlias = tuple[Array, Codes, Codes]
"""Distances of pairs and the classes of both ends."""


class Kept:
    """Pairs that are kept of those that stream by."""

    def __init__(self, positives: int, negatives: int, keep: int, rng: np.random.Generator) -> None:
        self.positives, self.negatives, self.rng = positives, negatives, rng
        everything = positives + negatives <= keep
        room = positives if everything else min(positives, keep // 2)
        self.near_room = negatives if everything else (keep - room) // 2
        self.whole = everything or negatives <= keep - room
        self.cutoff, self.near_count = np.inf, 0
        self.far_rate = 0.0 if self.whole else (keep - room) / 2 / negatives
        self.positive_rate = room / positives if positives else 1.0
        self.same: list[Part] = []
        self.near: list[Part] = []
        self.far: list[Part] = []

    def add(self, distances: Array, own: Codes, other: Codes, there: NDArray[np.bool_]) -> None:
        """Take a block of distances (a, b) of rows of the classes `own` (a,) and `other` (b,); `there` (a, b) says which are pairs."""
        alike = own[:, None] == other[None]
        positive = alike & there
        if self.positive_rate < 1:
            positive &= self.rng.random(distances.shape) < self.positive_rate
        self.same.append(_picked(distances, own, other, positive))
        negative = there & ~alike
        if not self.whole:
            sampled = self.rng.random(distances.shape) < self.far_rate
            self.far.append(_picked(distances, own, other, negative & sampled))
            negative &= distances < self.cutoff
        self.near.append(_picked(distances, own, other, negative))
        self.near_count += len(self.near[-1][0])
        if not self.whole and self.near_count > 2 * self.near_room:
            self._prune()

    def _prune(self) -> None:
        """Lower the cutoff to the value at the room's end; values equal to it are for the sample."""
        near = _joined(self.near)
        if len(near[0]) <= self.near_room:
            return
        self.cutoff = float(np.partition(near[0], self.near_room)[self.near_room])
        self.near = [tuple(part[near[0] < self.cutoff] for part in near)]  # type: ignore[list-item]
        self.near_count = len(self.near[0][0])

    def pairs(self, classes: int, scoring: str) -> PairDistances:
        """What was kept, with weights."""
        notes: list[str] = []
        if not self.whole:
            self._prune()
            far = _joined(self.far)
            self.far = [tuple(part[far[0] >= self.cutoff] for part in far)]  # type: ignore[list-item]
        same, near, far = _joined(self.same), _joined(self.near), _joined(self.far)
        sizes = [len(part[0]) for part in (same, near, far)]
        each = [self.positives / max(1, sizes[0]), 1.0, (self.negatives - sizes[1]) / max(1, sizes[2])]
        if not self.whole:
            notes.append(
                f"of {self.negatives:,} impostor pairs the nearest {sizes[1]:,} are counted one by one, "
                f"the others by a sample of {sizes[2]:,}"
            )
        if self.positive_rate < 1:
            notes.append(f"of {self.positives:,} positive pairs a sample of {sizes[0]:,} is counted")
        distances, first, second = _joined([same, near, far])
        return gathered(
            distances,
            np.repeat([True, False], [sizes[0], sizes[1] + sizes[2]]),
            np.repeat(each, sizes),
            first,
            second,
            classes,
            self.positives,
            self.negatives,
            scoring,
            tuple(notes),
        )


def _picked(distances: Array, own: Codes, other: Codes, mask: NDArray[np.bool_]) -> Part:
    rows, columns = np.nonzero(mask)
    return distances[rows, columns], own[rows], other[columns]


def _joined(parts: list[Part]) -> Part:
    if not parts:
        return np.empty(0), np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32)
    distances, first, second = (np.concatenate(each) for each in zip(*parts))
    return distances, first, second
