"""The contrastive loss over ordered pairs [CON-1, CON-2, CON-3, CON-4], pair by pair."""

from __future__ import annotations

from collections.abc import Sequence

from oracles.arithmetic import Number, hinge, reduced, square
from oracles.distances import Matrix, Vector, euclidean
from oracles.kin import Kin


def pull(form: str, d: Number, positive_margin: float) -> Number:
    """The cost of a positive pair at distance d."""
    return {"CON-1": square(d) / 2, "CON-3": d, "CON-4": hinge(d - positive_margin)}[form]


def push(form: str, d: Number, margin: float) -> Number:
    """The cost of a negative pair at distance d; CON-3 is CON-4's on a squared distance."""
    return {"CON-1": square(hinge(margin - d)) / 2, "CON-3": hinge(margin - d), "CON-4": hinge(margin - d)}[form]


def terms(
    d: Matrix, kin: Kin, form: str, margin: float, positive_margin: float
) -> tuple[list[tuple[Number, float]], list[tuple[Number, float]]]:
    """All positive terms (each with its pair's weight) and all negative terms."""
    positive = [(pull(form, d[i][j], positive_margin), kin.weight(i, j)) for i in kin.rows for j in kin.positives[i]]
    negative = [(push(form, d[i][j], margin), 1.0) for i in kin.rows for j in kin.negatives[i]]
    return positive, negative


def contrastive(
    d: Matrix, kin: Kin, form: str = "CON-1", margin: float = 1.0, positive_margin: float = 0.0, reduction: str = "mean"
) -> Number:
    """Over all pairs "mean", "mean_nonzero", "sum", "sum_unordered" (half of it); "pos_neg[_nonzero]": a mean a side."""
    positive, negative = terms(d, kin, form, margin, positive_margin)
    if reduction == "sum_unordered":
        return reduced(positive + negative, "sum") / 2
    if reduction.startswith("pos_neg"):
        side = "mean_nonzero" if reduction == "pos_neg_nonzero" else "mean"
        return reduced(positive, side) + reduced(negative, side)
    return reduced(positive + negative, reduction)


def ready_pairs(first: Sequence[Vector], second: Sequence[Vector], different: Sequence[int], margin: float) -> Number:
    """CON-2: (1 - Y)/2 d^2 + Y/2 [m - d]_+^2 with Y = 1 for a different pair, mean over the pairs given."""
    total: Number = 0.0
    for x, z, y in zip(first, second, different, strict=True):
        d = euclidean(x, z)
        total += (1 - y) / 2 * square(d) + y / 2 * square(hinge(margin - d))
    return total / len(first)


def printed_004_eq_1(d: Matrix, kin: Kin, margin: float) -> Number:
    """Wrong as printed: without the 0 in the maximum, far negatives are pulled back to the margin."""
    positive = [square(d[i][j]) / 2 for i in kin.rows for j in kin.positives[i]]
    negative = [square(margin - d[i][j]) / 2 for i in kin.rows for j in kin.negatives[i]]
    return sum(positive + negative) / len(positive + negative)


def inverted_001_eq_1(d: Matrix, kin: Kin, margin: float) -> Number:
    """Wrong: S = 1 read as similar exchanges the two sides."""
    return contrastive(d, Kin(kin.negatives, kin.positives, [{} for _ in kin.rows]), "CON-1", margin)
