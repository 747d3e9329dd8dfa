"""The lifted structured loss [LFT-1]: both ends of a positive pair, and both crowds of negatives in one logarithm."""

from __future__ import annotations

from oracles.arithmetic import Number, hinge, log_sum_exp, square
from oracles.distances import Matrix
from oracles.kin import Kin


def lifted(d: Matrix, kin: Kin, margin: float = 1.0) -> Number:
    """1/(2|P|) sum over ordered positive pairs of [LSE({m - d_ik} u {m - d_jl}) + d_ij]_+^2, k in N(i), l in N(j)."""
    total: Number = 0.0
    count = 0
    for i in kin.rows:
        for j in kin.positives[i]:
            count += 1
            crowd = [margin - d[i][k] for k in kin.negatives[i]] + [margin - d[j][k] for k in kin.negatives[j]]
            if crowd:
                total += square(hinge(log_sum_exp(crowd) + d[i][j]))
    return total / (2 * count) if count else 0.0
