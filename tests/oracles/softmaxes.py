"""Losses of one or two sums of exponentials an anchor [MSL-1, CIR-1, SUP-1, NTX-1, NCA-1, TPM-1], from distances."""

from __future__ import annotations

import cmath
import math

from oracles.arithmetic import Number, log_sum_exp, real, reduced, root, softplus
from oracles.distances import Matrix
from oracles.kin import Kin


def log_of_sum(values: list[tuple[Number, float]]) -> Number:
    """log sum w e^value of at least one value."""
    top = max(real(value) for value, _ in values)
    return top + cmath.log(sum(weight * cmath.exp(value - top) for value, weight in values))


def multi_similarity(
    cosines: Matrix, kin: Kin, a: float = 2.0, bt: float = 50.0, b: float = 0.5,
    mining: bool = False, eps: float = 0.1, reduction: str = "mean",
) -> Number:  # fmt: skip
    """(1/a) log(1 + sum_P e^{-a(s - b)}) + (1/bt) log(1 + sum_N e^{bt(s - b)}) over anchors with any pair; s = 1 - d.

    Mining keeps p if s_p - eps < max_N s and n if s_n + eps > min_P s, and nothing where a side is missing.
    """
    s = [[1 - entry for entry in row] for row in cosines]
    terms = []
    for i in kin.rows:
        near, far = kin.positives[i], kin.negatives[i]
        if not near and not far:
            continue
        if mining:
            top = max((real(s[i][k]) for k in far), default=-math.inf)
            bottom = min((real(s[i][j]) for j in near), default=math.inf)
            near = [j for j in near if real(s[i][j]) - eps < top]
            far = [k for k in far if real(s[i][k]) + eps > bottom]
        pull = sum(kin.weight(i, j) * cmath.exp(-a * (s[i][j] - b)) for j in near)
        push = sum(cmath.exp(bt * (s[i][k] - b)) for k in far)
        terms.append((cmath.log(1 + pull) / a + cmath.log(1 + push) / bt, 1.0))
    return reduced(terms, reduction)


def circle(cosines: Matrix, kin: Kin, m: float = 0.4, gamma: float = 80.0, reduction: str = "mean") -> Number:
    """softplus(LSE_N(g a_n (s - m)) + LSE_P(-g a_p (s - 1 + m))), weights a detached, over anchors with both sides."""
    terms = []
    for i in kin.rows:
        pull, push = [], []
        for j in kin.positives[i]:
            s = 1 - cosines[i][j]
            pull.append((-gamma * max(1 + m - real(s), 0.0) * (s - 1 + m), kin.weight(i, j)))
        for k in kin.negatives[i]:
            s = 1 - cosines[i][k]
            push.append(gamma * max(real(s) + m, 0.0) * (s - m))
        if pull and push:
            terms.append((softplus(log_sum_exp(push) + log_of_sum(pull)), 1.0))
    return reduced(terms, reduction)


def sup_con(d: Matrix, kin: Kin, temperature: float = 0.1, reduction: str = "mean") -> Number:
    """Mean over P of -log(e^{-d_p/t} / sum over all others), for each anchor with positives."""
    terms = []
    for i in kin.rows:
        near = kin.positives[i]
        if near:
            others = log_sum_exp([-d[i][j] / temperature for j in near + kin.negatives[i]])
            costs = [(others + d[i][j] / temperature, kin.weight(i, j)) for j in near]
            terms.append((reduced(costs), 1.0))
    return reduced(terms, reduction)


def nt_xent(d: Matrix, kin: Kin, temperature: float = 0.07, reduction: str = "mean") -> Number:
    """log(1 + sum_N e^{(d_ip - d_ik)/t}) over positive pairs whose anchor has a negative."""
    return reduced(
        [
            (log_sum_exp([0.0, *((d[i][j] - d[i][k]) / temperature for k in kin.negatives[i])]), kin.weight(i, j))
            for i in kin.rows
            for j in kin.positives[i]
            if kin.negatives[i]
        ],
        reduction,
    )


def two_views(first: Matrix, second: Matrix, across: Matrix, back: Matrix, temperature: float = 0.5) -> Number:
    """SimCLR: cross-entropy of view i against its partner among all other 2n - 1 views; s = -d up to a constant."""
    n = len(first)
    d = [[*first[i], *across[i]] for i in range(n)] + [[*back[i], *second[i]] for i in range(n)]
    costs = []
    for i in range(2 * n):
        others = [-d[i][j] / temperature for j in range(2 * n) if j != i]
        costs.append(log_sum_exp(others) + d[i][(i + n) % (2 * n)] / temperature)
    return sum(costs) / (2 * n)


def nca(d: Matrix, kin: Kin, c: float = 1.0, reduction: str = "mean") -> Number:
    """-log(sum_P w e^{-c d} / sum_{j != i} w e^{-c d}) over anchors with positives."""
    terms = []
    for i in kin.rows:
        near = [(-c * d[i][j], kin.weight(i, j)) for j in kin.positives[i]]
        far = [(-c * d[i][k], 1.0) for k in kin.negatives[i]]
        if near:
            terms.append((log_of_sum(near + far) - log_of_sum(near), 1.0))
    return reduced(terms, reduction)


def tuplet_margin(
    cosines: Matrix, kin: Kin, beta_deg: float = 5.73, scale: float = 64.0, reduction: str = "mean"
) -> Number:
    """log(1 + sum_N e^{g(s_in - cos(th_ip - b))}) over positive pairs, cos(th - b) = s cos b + sqrt(1 - s^2) sin b."""
    b = math.radians(beta_deg)
    terms = []
    for i in kin.rows:
        for j in kin.positives[i]:
            short = cosines[i][j]
            near = (1 - short) * math.cos(b) + root(short * (2 - short)) * math.sin(b)
            far = [scale * (1 - cosines[i][k] - near) for k in kin.negatives[i]]
            if far:
                terms.append((log_sum_exp([0.0, *far]), kin.weight(i, j)))
    return reduced(terms, reduction)
