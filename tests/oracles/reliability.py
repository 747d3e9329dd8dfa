"""Calibration error of equal mass, Brier score and AUROC of answers with a probability, one by one."""

from __future__ import annotations

from collections.abc import Sequence


def calibration_error(probability: Sequence[float], right: Sequence[bool], bins: int) -> float:
    """Queries in the order of their probability, cut into parts of n // bins, the first n % bins one larger."""
    n = len(probability)
    bins = min(bins, n)
    shared = []  # equal probabilities count by the mean of their outcomes, whatever their order
    for value in probability:
        same = [bool(flag) for each, flag in zip(probability, right, strict=True) if each == value]
        shared.append(sum(same) / len(same))
    order = sorted(range(n), key=lambda i: probability[i])
    total, start = 0.0, 0
    for b in range(bins):
        size = n // bins + (1 if b < n % bins else 0)
        part = order[start : start + size]
        start += size
        total += abs(sum(probability[i] for i in part) - sum(shared[i] for i in part))
    return total / n


def brier(probability: Sequence[float], right: Sequence[bool]) -> float:
    """Mean squared difference between what was said and what came."""
    return sum((p - float(flag)) ** 2 for p, flag in zip(probability, right, strict=True)) / len(probability)


def brier_of_classes(rows: Sequence[Sequence[float]], truth: Sequence[int]) -> float:
    """Mean over queries of the sum over classes of squared differences."""
    total = 0.0
    for row, right in zip(rows, truth, strict=True):
        total += sum((p - (1.0 if c == right else 0.0)) ** 2 for c, p in enumerate(row))
    return total / len(rows)


def auroc(probability: Sequence[float], right: Sequence[bool]) -> float:
    """Share of pairs (right, wrong) in which the right one has the larger probability; half for equal ones."""
    won, pairs = 0.0, 0
    for p, a in zip(probability, right, strict=True):
        for q, b in zip(probability, right, strict=True):
            if a and not b:
                pairs += 1
                won += 1.0 if p > q else 0.5 if p == q else 0.0
    return won / pairs
