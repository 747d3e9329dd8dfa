"""Ranked list loss [RLL-1], anchor by anchor, from cosine distances."""

from __future__ import annotations

import cmath
import math

from oracles.arithmetic import Number, real, reduced, root
from oracles.distances import Matrix
from oracles.kin import Kin


def ranked_list(
    cosines: Matrix, kin: Kin, alpha: float = 1.2, m: float = 0.4, Tn: float = 10.0, Tp: float = 0.0,
    lam: float = 0.5, detach: bool = True, reduction: str = "mean",
) -> Number:  # fmt: skip
    """Mean over anchors with any pair of (1 - lam) L_P + lam L_N; d = |u(x) - u(z)| = sqrt(2 (1 - cos))."""
    d = [[root(2 * entry) for entry in row] for row in cosines]
    terms = []
    for i in kin.rows:
        near = [(d[i][j] - (alpha - m), kin.weight(i, j)) for j in kin.positives[i] if real(d[i][j]) > alpha - m]
        far = [(alpha - d[i][k], 1.0) for k in kin.negatives[i] if real(d[i][k]) < alpha]
        if kin.positives[i] or kin.negatives[i]:
            terms.append(((1 - lam) * weighted(near, Tp, detach) + lam * weighted(far, Tn, detach), 1.0))
    return reduced(terms, reduction)


def weighted(excesses: list[tuple[Number, float]], temperature: float, detach: bool) -> Number:
    """The mean of excesses with weights w e^{T excess}, constants if detached; 0 of none."""
    if not excesses:
        return 0.0
    weights: list[Number] = [
        w * (math.exp(temperature * real(e)) if detach else cmath.exp(temperature * e)) for e, w in excesses
    ]
    return sum(w * e for w, (e, _) in zip(weights, excesses, strict=True)) / sum(weights)
