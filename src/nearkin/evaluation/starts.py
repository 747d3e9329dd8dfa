"""Starting centres of k-means: greedy k-means++ with draws by rejection [EVA-2]."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from nearkin.evaluation.centred import Centred
from nearkin.evaluation.inputs import Array

PROPOSALS = 128
"""Points drawn at a time."""

BUFFER = 1 << 23
"""Most distances held at a time, where that leaves a step its candidates."""


def greedy_starts(points: Centred, count: int, rng: np.random.Generator) -> Array:
    """Indices of the starting centres. Points on top of a centre are drawn only when nothing else is left.

    Each step draws 2 + log k candidates with chance proportional to the squared distance to the nearest centre, and keeps
    the one that leaves the smallest sum (Arthur and Vassilvitskii 2007). Many proposals are drawn at once, and their
    distances made in one product; a later step accepts a proposal with chance now / then of its weight. Weights only
    fall, so what is accepted is drawn by the weights of its own step, exactly.

    Dtype:  float32, and distances to near points from float64 differences
    """
    chosen = np.empty(count, dtype=np.int64)
    chosen[0] = rng.integers(len(points))
    first = torch.from_numpy(chosen[:1]).to(points.rows.device)
    nearest = points.to(first, torch.empty(1, len(points), device=first.device))[0]
    trials = 2 + int(math.log(count))
    pool = _Pool(points, max(trials, min(PROPOSALS, BUFFER // len(points))), rng)
    for step in range(1, count):
        candidates, halves = pool.draw(nearest, trials)
        left = torch.maximum(halves, nearest)  # minus halves of squared distances: the larger is the nearer
        best = int(left.sum(1).argmax())
        chosen[step], nearest = candidates[best], left[best]
    return chosen


class _Pool:
    """Proposals with their distances to all points."""

    def __init__(self, points: Centred, size: int, rng: np.random.Generator) -> None:
        self._points, self._rng, self._next = points, rng, size
        self._buffer = torch.empty(size, len(points), device=points.rows.device)
        self._proposed, self._then, self._uniform = np.empty(size, np.int64), np.empty(size), np.empty(size)

    def draw(self, nearest: Tensor, number: int) -> tuple[Array, Tensor]:
        """Indices of points drawn by the weights -nearest, and minus half their squared distances to all (number, N)."""
        indices, halves, missing = [], [], number
        while missing:
            if self._next == len(self._proposed):
                self._refill(nearest)
            now = -nearest[torch.from_numpy(self._proposed).to(nearest.device)].cpu().numpy()
            accepted = (self._uniform * self._then < now) | (self._then <= 0)
            place = self._next + np.flatnonzero(accepted[self._next :])[:missing]
            indices.append(self._proposed[place])
            halves.append(self._buffer.index_select(0, torch.from_numpy(place).to(nearest.device)))
            missing -= len(place)
            self._next = len(self._proposed) if missing else int(place[-1]) + 1
        return np.concatenate(indices), torch.cat(halves) if len(halves) > 1 else halves[0]

    def _refill(self, nearest: Tensor) -> None:
        weights = -nearest.cpu().numpy()
        self._proposed = draw(weights, len(self._proposed), self._rng)
        self._then, self._uniform = weights[self._proposed], self._rng.random(len(self._proposed))
        self._points.to(torch.from_numpy(self._proposed).to(nearest.device), self._buffer)
        self._next = 0


def draw(weights: Array, number: int, rng: np.random.Generator) -> Array:
    """Indices drawn with chance proportional to `weights`, or uniformly where all of them are 0."""
    running = np.cumsum(weights, dtype=np.float64)
    uniform = rng.random(number)
    if not running[-1] > 0:
        return np.minimum((uniform * len(running)).astype(np.int64), len(running) - 1)
    last = int(np.flatnonzero(weights)[-1])
    drawn: Array = np.minimum(np.searchsorted(running, uniform * running[-1], side="right"), last)
    return drawn
