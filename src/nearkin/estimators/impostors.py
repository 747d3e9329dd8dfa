"""The objective of large margin nearest neighbours: targets pulled, impostors pushed beyond them [LMN-1, LMN-2]."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from nearkin.core import choice
from nearkin.estimators.targets import NOBODY

Floats = NDArray[np.float64]

DISTANCES = 1 << 20
"""Distances held at a time, unless the caller says how many rows a block has."""


def lmnn_objective(
    factor: Floats,
    rows: Floats,
    codes: NDArray[Any],
    targets: NDArray[np.int64],
    *,
    push: float = 0.5,
    reduction: str = "mean",
    block: int | None = None,
) -> tuple[float, Floats]:
    """Value and gradient of e(L), every impostor counted anew.

    Equation:   e(L) = (1 - mu) sum_{i, j in T(i)} |L(x_i - x_j)|^2
                     + mu sum_{i, j in T(i), l: y_l != y_i} [1 + |L(x_i - x_j)|^2 - |L(x_i - x_l)|^2]_+
                and, by default, both sums divided by the number of pairs (i, j)
    Shapes:     factor L (r, D), rows (N, D), codes (N,), targets T (N, k) with -1 for nobody -> value, (r, D)
    push:       mu, the weight of the second sum
    Gradient:   0 of a hinge at 0 (a triplet is active where it is strictly above)
    Memory:     O(1 million) distances: a block of rows against all others, of which only those within a margin are kept;
                neither the triplets (i, j, l) nor the outer products of the paper's gradient are ever listed
    Complexity: O(N^2 r + N r D + active k)
    Source:     Weinberger and Saul 2009; a reduction by the number of pairs is ours
    """
    mapped = rows @ factor.T
    norms = np.einsum("ij,ij->i", mapped, mapped)
    pulls = _to_targets(mapped, targets)
    limits = np.where(targets == NOBODY, -np.inf, 1 + pulls)
    slopes = np.zeros_like(mapped)
    active = np.zeros(targets.shape)
    pushed = 0.0
    step = block or max(1, DISTANCES // len(rows))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        squared = np.maximum(norms[part, None] + norms - 2 * mapped[part] @ mapped.T, 0)
        squared[codes[part, None] == codes] = np.inf
        row, column = np.nonzero(squared < limits[part].max(1, keepdims=True))
        within = limits[part][row] > squared[row, column][:, None]
        times = within.sum(1).astype(np.float64)
        for j in range(targets.shape[1]):
            active[part, j] = np.bincount(row, within[:, j], minlength=len(squared))
        pushed -= float(times @ squared[row, column])
        weights = csr_array((times, (row, column)), shape=squared.shape)
        slopes[part] += weights @ mapped - weights.sum(1)[:, None] * mapped[part]
        slopes += weights.T @ mapped[part] - weights.sum(0)[:, None] * mapped
    there = targets != NOBODY
    pairs = int(there.sum())
    value = (1 - push) * pulls[there].sum() + push * (pushed + (active[there] * (1 + pulls[there])).sum())
    slopes *= push
    _pull(slopes, mapped, targets, (1 - push) + push * active)
    divisor = pairs if choice("reduction", reduction, ("mean", "sum")) == "mean" else 1
    return float(value) / divisor, 2 * (slopes.T @ rows) / divisor


def _to_targets(mapped: Floats, targets: NDArray[np.int64]) -> Floats:
    """Squared distances (N, k) to the targets, from differences; 0 for nobody."""
    squared = np.zeros(targets.shape)
    for j, target in enumerate(targets.T):
        some = np.flatnonzero(target != NOBODY)
        squared[some, j] = np.square(mapped[some] - mapped[target[some]]).sum(1)
    return squared


def _pull(slopes: Floats, mapped: Floats, targets: NDArray[np.int64], weights: Floats) -> None:
    """Add half the gradient of sum weights * |z_i - z_j|^2 over pairs of rows and targets."""
    for j, target in enumerate(targets.T):
        some = np.flatnonzero(target != NOBODY)
        difference = weights[some, j, None] * (mapped[some] - mapped[target[some]])
        slopes[some] += difference
        np.subtract.at(slopes, target[some], difference)
