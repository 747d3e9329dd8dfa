"""Losses with a centre or a weight row a class: [CTC-1, CTC-2], cross-entropy of a linear classifier [JNT-1]."""

from __future__ import annotations

from collections.abc import Sequence

from oracles.arithmetic import Number, log_sum_exp
from oracles.distances import Vector, squared_euclidean


def contrastive_center(
    x: Sequence[Vector], labels: Sequence[int], c: Sequence[Vector], delta: float, reduction: str, denominator: str
) -> Number:
    """1/2 |x_i - c_y|^2 / (sum or mean over j != y of |x_i - c_j|^2, + delta)."""
    total: Number = 0.0
    for row, y in zip(x, labels, strict=True):
        others = [squared_euclidean(row, c[j]) for j in range(len(c)) if j != y]
        spread = sum(others) / (len(others) if denominator == "mean" and others else 1)
        total += squared_euclidean(row, c[y]) / 2 / (spread + delta)
    return total if reduction == "sum" else total / len(x)


def center(x: Sequence[Vector], labels: Sequence[int], c: Sequence[Vector], reduction: str = "mean") -> Number:
    """1/2 |x_i - c_y|^2."""
    total = sum(squared_euclidean(row, c[y]) / 2 for row, y in zip(x, labels, strict=True))
    return total if reduction == "sum" else total / len(x)


def moved(x: Sequence[Vector], labels: Sequence[int], c: Sequence[Vector], rate: float) -> list[list[Number]]:
    """c_j - a sum_{i: y_i = j} (c_j - x_i) / (1 + n_j)."""
    new = []
    for j, old in enumerate(c):
        mine = [row for row, y in zip(x, labels, strict=True) if y == j]
        new.append([e - rate * sum(e - row[m] for row in mine) / (1 + len(mine)) for m, e in enumerate(old)])
    return new


def cross_entropy(h: Sequence[Vector], labels: Sequence[int], weight: Sequence[Vector], bias: Vector) -> Number:
    """Mean of log sum_c e^{w_c'h + b_c} - (w_y'h + b_y)."""
    total: Number = 0.0
    for row, y in zip(h, labels, strict=True):
        logits = [b + sum(w * a for w, a in zip(ws, row, strict=True)) for ws, b in zip(weight, bias, strict=True)]
        total += log_sum_exp(logits) - logits[y]
    return total / len(h)
