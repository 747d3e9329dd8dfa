"""Costs of a list of triplets: hinges and soft margin [TRI-1..6, SBH-1], Hoffer and Ailon's ratio [HOF-1, HOF-2]."""

from __future__ import annotations

import cmath
from collections.abc import Callable, Sequence

from oracles.arithmetic import Number, hinge, reduced, sigmoid, softplus, square
from oracles.distances import Matrix, Vector, euclidean
from oracles.kin import Kin
from oracles.mining import Triplets

Cost = Callable[[Number, Number], Number]  # of d(a, p) and d(a, n)


def linear_hinge(margin: float) -> Cost:
    """[d_ap - d_an + m]_+; a negative margin gives 000's hinge as printed."""
    return lambda positive, negative: hinge(positive - negative + margin)


def squared_hinge(margin: float) -> Cost:
    """([d_ap - d_an + m]_+)^2, no 1/2 [TRI-5]."""
    return lambda positive, negative: square(hinge(positive - negative + margin))


def soft_margin(positive: Number, negative: Number) -> Number:
    """softplus(d_ap - d_an), no margin [TRI-4 soft, SBH-1]."""
    return softplus(positive - negative)


def ratio(constant: float = 2.0) -> Cost:
    """const (d+)^2 with d+ = sigma(d_ap - d_an): 2 is the squared norm, 1 the mean over two components [HOF-2]."""
    return lambda positive, negative: constant * square(sigmoid(positive - negative))


def ratio_as_defined(component_mean: bool) -> Cost:
    """|(d+, d- - 1)|^2 with d+ and d- shares of exponentiated distances, term by term [HOF-1]."""

    def cost(positive: Number, negative: Number) -> Number:
        together = cmath.exp(positive) + cmath.exp(negative)
        near, far = cmath.exp(positive) / together, cmath.exp(negative) / together
        return (square(near) + square(far - 1)) / (2 if component_mean else 1)

    return cost


def over_triplets(d: Matrix, triplets: Triplets, cost: Cost, reduction: str = "mean", kin: Kin | None = None) -> Number:
    """The cost over the triplets, reduced; a triplet weighs what its positive pair weighs."""
    return reduced(
        [(cost(d[a][p], d[a][n]), 1.0 if kin is None else kin.weight(a, p)) for a, p, n in triplets], reduction
    )


def row_by_row(
    anchors: Sequence[Vector], positives: Sequence[Vector], negatives: Sequence[Vector], cost: Cost
) -> Number:
    """Mean over ready triplets given as three lists of vectors, Euclidean."""
    terms = [cost(euclidean(a, p), euclidean(a, n)) for a, p, n in zip(anchors, positives, negatives, strict=True)]
    return sum(terms) / len(terms)
