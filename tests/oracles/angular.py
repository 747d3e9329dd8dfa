"""Angular losses [ANG-1], from vectors; every vector is normalised here."""

from __future__ import annotations

import math
from collections.abc import Sequence

from oracles.arithmetic import Number, hinge, log_sum_exp, reduced, square
from oracles.distances import Vector, inner_product, unit
from oracles.kin import Kin


def over_positive_pairs(
    anchors: Sequence[Vector], columns: Sequence[Sequence[Vector]], kin: Kin, alpha: float = 45.0, reduction: str = "mean"
) -> Number:  # fmt: skip
    """Ordered positive pairs (i, j), N(i) not empty: log(1 + sum_k exp(4t (x_i + x_j)'x_k - 2(1 + t) x_i'x_j))."""
    t = math.tan(math.radians(alpha)) ** 2
    terms = []
    for i in kin.rows:
        a = unit(anchors[i])
        for j in kin.positives[i]:
            p = unit(columns[i][j])
            both = [x + y for x, y in zip(a, p, strict=True)]
            f = [
                4 * t * -inner_product(both, unit(columns[i][k])) + 2 * (1 + t) * inner_product(a, p)
                for k in kin.negatives[i]
            ]
            if f:
                terms.append((log_sum_exp([0.0, *f]), kin.weight(i, j)))
    return reduced(terms, reduction)


def paired(anchors: Sequence[Vector], positives: Sequence[Vector], alpha: float) -> Number:
    """N pairs of N classes: negatives of pair i are the positives of the others."""
    rows = range(len(anchors))
    kin = Kin([[i] for i in rows], [[j for j in rows if j != i] for i in rows], [{} for _ in rows])
    return over_positive_pairs(anchors, [positives] * len(anchors), kin, alpha)


def single(anchor: Vector, positive: Vector, negative: Vector, alpha: float) -> Number:
    """[|a - p|^2 - 4t |n - (a + p)/2|^2]_+."""
    t = math.tan(math.radians(alpha)) ** 2
    a, p, n = unit(anchor), unit(positive), unit(negative)
    near = sum(square(x - y) for x, y in zip(a, p, strict=True))
    far = sum(square(z - (x + y) / 2) for x, y, z in zip(a, p, n, strict=True))
    return hinge(near - 4 * t * far)


def over_triplets(
    anchors: Sequence[Vector], columns: Sequence[Sequence[Vector]], kin: Kin, alpha: float = 45.0, reduction: str = "mean"
) -> Number:  # fmt: skip
    """The mean of single triplets over all of them."""
    return reduced(
        [
            (single(anchors[i], columns[i][j], columns[i][k], alpha), kin.weight(i, j))
            for i in kin.rows
            for j in kin.positives[i]
            for k in kin.negatives[i]
        ],
        reduction,
    )
