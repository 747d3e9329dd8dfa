"""N-pair losses: paired rows, with L2, over all positives of a batch [NP-1, NP-2, NP-3]; document 001's equation 7."""

from __future__ import annotations

from collections.abc import Sequence

from oracles.arithmetic import Number, log_sum_exp, reduced, square
from oracles.distances import Matrix, Vector, inner_product, matrix
from oracles.kin import Kin


def n_pair(anchors: Sequence[Vector], positives: Sequence[Vector], distance: str = "inner-product") -> Number:
    """NP-1: (1/N) sum_i log(1 + sum_{j != i} exp(d(i, i+) - d(i, j+)))."""
    d = matrix(distance, anchors, positives)
    count = len(anchors)
    total: Number = 0.0
    for i in range(count):
        total += log_sum_exp([0.0] + [d[i][i] - d[i][j] for j in range(count) if j != i])
    return total / count


def l2(anchors: Sequence[Vector], positives: Sequence[Vector], strength: float) -> Number:
    """NP-2's addition: lambda/(2N) sum_i (|f_i|^2 + |f_i+|^2)."""
    lengths = sum(square(a) for row in [*anchors, *positives] for a in row)
    return strength / (2 * len(anchors)) * lengths


def over_positive_pairs(d: Matrix, kin: Kin, reduction: str = "mean") -> Number:
    """NP-3: over ordered positive pairs (i, j), N(i) not empty: log(1 + sum_{k in N(i)} exp(d_ij - d_ik))."""
    pairs = [(i, j) for i in kin.rows for j in kin.positives[i] if kin.negatives[i]]
    terms = [(log_sum_exp([0.0] + [d[i][j] - d[i][k] for k in kin.negatives[i]]), kin.weight(i, j)) for i, j in pairs]
    return reduced(terms, reduction)


def l2_over_positive_pairs(
    anchors: Sequence[Vector], columns: Sequence[Sequence[Vector]], kin: Kin, strength: float, reduction: str = "mean"
) -> Number:
    """NP-2's addition to NP-3: over positive pairs (i, j), lambda/2 (|x_i|^2 + |x_j|^2).

    `columns[i][j]` is the vector in column j of row i.
    """
    pairs = [(i, j) for i in kin.rows for j in kin.positives[i]]
    lengths = [sum(square(a) for a in [*anchors[i], *columns[i][j]]) for i, j in pairs]
    weights = [kin.weight(i, j) for i, j in pairs]
    return reduced(
        [(strength / 2 * length, weight) for length, weight in zip(lengths, weights, strict=True)], reduction
    )


def printed_001_eq_7(
    anchors: Sequence[Vector], positives: Sequence[Vector], parse: str, strength: float = 0.0
) -> Number:
    """Wrong as printed: (1/N) log(sum_i exp(sum_j y_i'y_j+ - y_i'y_i+)), j over all; A: sum, then minus; B: inside."""
    count = len(anchors)
    product = [[-inner_product(a, p) for p in positives] for a in anchors]
    exponents = []
    for i in range(count):
        if parse == "A":
            exponents.append(sum(product[i][j] for j in range(count)) - product[i][i])
        else:
            exponents.append(sum(product[i][j] - product[i][i] for j in range(count)))
    return log_sum_exp(exponents) / count + l2(anchors, positives, strength)
