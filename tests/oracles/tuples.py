"""Losses of document 001 over pairs of N classes: triplets of a tuple [TUP-1], combined negatives [CMB-1, CMB-2]."""

from __future__ import annotations

import cmath
from collections.abc import Sequence

from oracles.arithmetic import Number, log_sum_exp, reduced
from oracles.distances import Matrix, Vector, matrix
from oracles.kin import Kin
from oracles.triplet import Cost


def tuple_triplets(count: int) -> list[tuple[int, int, int]]:
    """Anchor y_i, its positive y_i+, and each y_j+ of another class as negative: N(N - 1) triplets."""
    return [(i, i, j) for i in range(count) for j in range(count) if j != i]


def tuple_triplet(
    anchors: Sequence[Vector], positives: Sequence[Vector], cost: Cost, distance: str = "euclidean"
) -> Number:
    """TUP-1: the mean of the cost over those triplets, 0 for a single pair."""
    d = matrix(distance, anchors, positives)
    triplets = tuple_triplets(len(anchors))
    return sum(cost(d[a][p], d[a][n]) for a, p, n in triplets) / len(triplets) if triplets else 0.0


def combined(positive: Number, negatives: Sequence[Number], form: str, log: bool, scale: float) -> Number:
    """One positive at distance d+ against the negatives at d_j-; `scale` multiplies the distances.

    CMB-1: e^{d+} / (e^{d+} + sum_j e^{d_j-}); CMB-2: 1 - e^{-d+} / (e^{-d+} + sum_j e^{-d_j-}), log: minus its log.
    """
    sign = scale if form == "CMB-1" else -scale
    log_share = sign * positive - log_sum_exp([sign * d for d in [positive, *negatives]])
    if form == "CMB-1":
        return cmath.exp(log_share)
    return -log_share if log else 1.0 - cmath.exp(log_share)


def combined_negatives(
    anchors: Sequence[Vector],
    positives: Sequence[Vector],
    form: str = "CMB-2",
    log: bool = False,
    scale: float = 1.0,
    distance: str = "euclidean",
) -> Number:
    """CMB-1 and CMB-2: d+ = d(i, i+), d_j- = d(i, j+) for j != i, mean over i; 0 for a single pair."""
    d = matrix(distance, anchors, positives)
    count = len(anchors)
    if count < 2:
        return 0.0
    costs = [combined(d[i][i], [d[i][j] for j in range(count) if j != i], form, log, scale) for i in range(count)]
    return sum(costs) / count


def combined_over_pairs(
    d: Matrix, kin: Kin, form: str = "CMB-2", log: bool = False, scale: float = 1.0, reduction: str = "mean"
) -> Number:
    """The same for any kin: over ordered positive pairs (i, j), N(i) not empty, against all of N(i)."""
    pairs = [(i, j) for i in kin.rows for j in kin.positives[i] if kin.negatives[i]]
    costs = [combined(d[i][j], [d[i][k] for k in kin.negatives[i]], form, log, scale) for i, j in pairs]
    return reduced([(cost, kin.weight(i, j)) for cost, (i, j) in zip(costs, pairs, strict=True)], reduction)
