"""Lifted losses: both crowds of negatives of a positive pair in one logarithm [LFT-1]; all positives of an anchor [LFT-2]."""

from __future__ import annotations

import cmath
from collections.abc import Callable, Sequence

from oracles.arithmetic import Number, hinge, log_sum_exp, reduced, square
from oracles.distances import Matrix
from oracles.kin import Kin

Crowd = Callable[[int], Sequence[Number]]
"""Distances of the negatives at the other end of a pair, by its column."""


def lifted(
    d: Matrix, kin: Kin, margin: Number = 1.0, reduction: str = "mean", other_end: Crowd | None = None
) -> Number:
    """1/(2|P|) sum over ordered positive pairs of [LSE({m - d_ik} u {m - d_jl}) + d_ij]_+^2, k in N(i), l in N(j).

    A pair without a negative at either end is no term.
    """
    there = other_end or (lambda j: [d[j][k] for k in kin.negatives[j]])
    terms = []
    for i in kin.rows:
        for j in kin.positives[i]:
            crowd = [margin - d[i][k] for k in kin.negatives[i]] + [margin - far for far in there(j)]
            if crowd:
                terms.append((square(hinge(log_sum_exp(crowd) + d[i][j])) / 2, kin.weight(i, j)))
    return reduced(terms, reduction)


def generalized(d: Matrix, kin: Kin, margin: float = 1.0, reduction: str = "mean") -> Number:
    """Mean over anchors with P and N of [log sum_p w_p e^{d_ap} + log sum_n e^{m - d_an}]_+."""
    terms = []
    for i in kin.rows:
        if kin.positives[i] and kin.negatives[i]:
            pull = cmath.log(sum(kin.weight(i, p) * cmath.exp(d[i][p]) for p in kin.positives[i]))
            push = cmath.log(sum(cmath.exp(margin - d[i][n]) for n in kin.negatives[i]))
            terms.append((hinge(pull + push), 1.0))
    return reduced(terms, reduction)
