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
