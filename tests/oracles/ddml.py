"""Discriminative deep metric learning [DDM-1], pair by pair."""

from __future__ import annotations

from oracles.arithmetic import Number, reduced, softplus
from oracles.distances import Matrix
from oracles.kin import Kin


def ddml(d: Matrix, kin: Kin, tau: float = 3.0, beta: float = 10.0, reduction: str = "mean") -> Number:
    """Mean over ordered pairs of 1/2 g(1 - l (tau - d)), g(z) = log(1 + e^{beta z}) / beta."""

    def cost(sign: int, distance: Number) -> Number:
        return softplus(beta * (1 - sign * (tau - distance))) / beta / 2

    same = [(cost(1, d[i][j]), kin.weight(i, j)) for i in kin.rows for j in kin.positives[i]]
    other = [(cost(-1, d[i][j]), 1.0) for i in kin.rows for j in kin.negatives[i]]
    return reduced(same + other, reduction)
