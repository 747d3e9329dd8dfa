"""Histograms that run files keep: edges that hold nearly all of several sets of distances, shares in the bins, short numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BINS = 120


@dataclass(frozen=True)
class Weighed:
    """Distances (n,), rising, and how much each counts."""

    distances: Floats
    weights: NDArray[Any]


def common_edges(*several: Weighed) -> Floats:
    """Edges (BINS + 1,) from 0, or the smallest distance where that is less, that hold all but the farthest 0.1 % of each."""
    ends = []
    for each in several:
        reached = np.cumsum(each.weights)
        ends.append(float(each.distances[np.searchsorted(reached, 0.999 * reached[-1])]))
    low = min(0.0, *(float(each.distances[0]) for each in several))
    return np.linspace(low, max(*ends, low + 1e-9), BINS + 1)


def shares_of(given: Weighed, edges: Floats) -> list[float]:
    """The share of the whole weight in each bin."""
    return short(np.histogram(given.distances, edges, weights=given.weights)[0] / given.weights.sum())


def short(values: Floats) -> list[float]:
    """Six significant digits."""
    return [float(f"{value:.6g}") for value in values]
