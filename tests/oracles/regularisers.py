"""Zero-mean regulariser [SNR-3] and energy confusion [ECA-1]."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from oracles.arithmetic import Number, real, root, square
from oracles.distances import Vector, squared_euclidean, unit


def zero_mean(x: Sequence[Vector], relative: bool = False, reduction: str = "mean") -> Number:
    """(1/B) sum_i |sum_m h_im|, each over sqrt(D) |h_i| if relative (0 for a zero row)."""
    total: Number = 0.0
    for row in x:
        size = sum(row)
        size = size if real(size) > 0 else -size if real(size) < 0 else 0.0
        if relative:
            length = root(sum(square(a) for a in row))
            size = size / (math.sqrt(len(row)) * length) if real(length) > 0 else 0.0
        total += size
    return total if reduction == "sum" or not x else total / len(x)


def energy_confusion(x: Sequence[Vector], labels: Sequence[int], reduction: str = "mean") -> Number:
    """Mean over unordered pairs of classes of the mean squared distance of their members, normalised."""
    pairs = list(combinations(sorted(set(labels)), 2))
    total: Number = 0.0
    for a, b in pairs:
        apart = [
            squared_euclidean(unit(row), unit(other))
            for row, y in zip(x, labels, strict=True) if y == a
            for other, z in zip(x, labels, strict=True) if z == b
        ]  # fmt: skip
        total += sum(apart) / len(apart)
    return total if reduction == "sum" or not pairs else total / len(pairs)


def norm(row: Vector, order: float = 2.0) -> Number:
    """(sum_m |h_m|^order)^(1/order), 0 with derivative 0 for a zero row."""
    if order == 2:
        return root(sum(square(a) for a in row))
    total = sum(magnitude(a) ** order for a in row if real(a) != 0)
    return total ** (1 / order) if total else 0.0


def magnitude(a: Number) -> Number:
    return a if real(a) > 0 else -a if real(a) < 0 else 0.0


def embedding_norm(
    x: Sequence[Vector], target: float = 0.0, order: float = 2.0, power: float = 2.0, reduction: str = "mean"
) -> Number:
    """(1/B) sum_i | |h_i| - target |^power."""
    gaps = [magnitude(norm(row, order) - target) for row in x]
    total = sum(gap**power for gap in gaps if real(gap) > 0)
    return total if reduction == "sum" or not x else total / len(x)


def equal_norms(x: Sequence[Vector], squared: bool = False, reduction: str = "mean") -> Number:
    """Variance of the norms; of the squared norms, over 4."""
    sizes = [sum(square(a) for a in row) / 2 if squared else norm(row) for row in x]
    total = sum(square(size - sum(sizes) / len(x)) for size in sizes)
    return total if reduction == "sum" or not x else total / len(x)


def decorrelation(x: Sequence[Vector], relative: bool = True, reduction: str = "mean") -> Number:
    """Squared correlations of pairs of components, averaged; or squared covariances, over D."""
    if len(x) < 2:
        return 0.0
    columns = [list(column) for column in zip(*x, strict=True)]
    moved = [[a - sum(column) / len(x) for a in column] for column in columns]
    total: Number = 0.0
    for k, first in enumerate(moved):
        for other, second in enumerate(moved):
            if k != other:
                both = sum(a * b for a, b in zip(first, second, strict=True))
                if relative:
                    sizes = sum(square(a) for a in first) * sum(square(a) for a in second)
                    total += square(both) / sizes if real(sizes) > 1e-25 else 0.0
                else:
                    total += square(both / (len(x) - 1))
    if reduction == "sum":
        return total
    return total / (len(columns) * (len(columns) - 1) if relative else len(columns))
