"""Margin loss [MRG-1], pair by pair, from cosine distances."""

from __future__ import annotations

from collections.abc import Sequence

from oracles.arithmetic import Number, hinge, reduced, root
from oracles.distances import Matrix
from oracles.kin import Kin


def margin(
    cosines: Matrix,
    kin: Kin,
    m: float = 0.2,
    beta: Number | Sequence[Number] = 1.2,
    labels: Sequence[int] | None = None,
    nu: float = 0.0,
    reduction: str = "mean_nonzero",
) -> Number:
    """[m + d - b]_+ over positive and [m + b - d]_+ over negative pairs, d = |u(x) - u(z)|, b of the anchor's class.

    Plus nu times the mean of b over the anchors that have a pair.
    """
    terms, borders = [], []
    for i in kin.rows:
        border = beta[labels[i]] if labels is not None else beta
        for j in kin.positives[i]:
            terms.append((hinge(m + root(2 * cosines[i][j]) - border), kin.weight(i, j)))
        for k in kin.negatives[i]:
            terms.append((hinge(m + border - root(2 * cosines[i][k])), 1.0))
        if kin.positives[i] or kin.negatives[i]:
            borders.append((border, 1.0))
    return reduced(terms, reduction) + nu * reduced(borders, "sum" if reduction == "sum" else "mean")
