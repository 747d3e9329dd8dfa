"""Pairs, ROC, thresholds and open sets, one pair and one threshold at a time [EVA-4, EVA-5, EVA-6]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

Point = tuple[float, float, float | None]
Labelled = tuple[float, bool]


def labelled_pairs(d: Sequence[Sequence[float]], labels: Sequence[object], both: str = "mean") -> list[Labelled]:
    """(distance in both orders, of one class) of every pair i < j."""
    found = []
    for i in range(len(labels)):
        for j in range(i + 1, len(labels)):
            there, back = d[i][j], d[j][i]
            found.append(((there + back) / 2 if both == "mean" else max(there, back), labels[i] == labels[j]))
    return found


def share_within(distances: Sequence[float], threshold: float) -> float:
    """Share of distances that are at most the threshold."""
    return sum(d <= threshold for d in distances) / len(distances)


def roc(positive: Sequence[float], negative: Sequence[float]) -> list[Point]:
    """(FAR, TAR, threshold) over all distinct distances, and (0, 0), which has none."""
    points: list[Point] = [(0.0, 0.0, None)]
    for t in sorted({*positive, *negative}):
        points.append((share_within(negative, t), share_within(positive, t), t))
    return points


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """P(d_pos < d_neg) + P(=)/2, every positive against every negative."""
    wins = sum(1.0 if p < n else 0.5 if p == n else 0.0 for p in positive for n in negative)
    return wins / (len(positive) * len(negative))


def eer(positive: Sequence[float], negative: Sequence[float]) -> tuple[float, float]:
    """The rate where FAR = 1 - TAR, linear between two points, and the threshold of the nearer of them."""
    points = roc(positive, negative)
    for (far0, tar0, t0), (far1, tar1, t1) in pairwise(points):
        # whole numbers, so that a crossing that falls on a point is met exactly
        before = round((far0 - 1 + tar0) * len(positive) * len(negative))
        after = round((far1 - 1 + tar1) * len(positive) * len(negative))
        if after >= 0:
            part = -before / (after - before)
            assert t1 is not None
            threshold = t0 if t0 is not None and abs(before) <= abs(after) else t1
            return far0 + part * (far1 - far0), threshold
    raise AssertionError("the last point accepts everything")


def tar_at_far(positive: Sequence[float], negative: Sequence[float], rate: float) -> tuple[float, float | None]:
    """The largest TAR with FAR <= rate, and the largest distance with FAR <= rate."""
    within = [point for point in roc(positive, negative) if point[0] <= rate]
    return max(tar for _, tar, _ in within), within[-1][2]


def best(
    positive: Sequence[float], negative: Sequence[float], value: Callable[[float, float], float]
) -> tuple[float, float]:
    """The largest value(FAR, TAR) over the distinct distances, and the smallest distance that reaches it."""
    points = [(value(far, tar), t) for far, tar, t in roc(positive, negative) if t is not None]
    top = max(v for v, _ in points)
    return top, min(t for v, t in points if v >= top - 1e-12)


def balanced(far: float, tar: float) -> float:
    return (tar + 1 - far) / 2


def f_beta(beta: float, share: float) -> Callable[[float, float], float]:
    """F-beta of the pairs called same, where `share` of all pairs are positive."""

    def value(far: float, tar: float) -> float:
        accepted = share * tar + (1 - share) * far
        precision, recall = (share * tar / accepted if accepted else 0.0), tar
        below = beta * beta * precision + recall
        return (1 + beta * beta) * precision * recall / below if below else 0.0

    return value


def minus_cost(accept: float, reject: float, share: float) -> Callable[[float, float], float]:
    """Minus the expected cost of a pair."""
    return lambda far, tar: -(accept * (1 - share) * far + reject * share * (1 - tar))


def otsu(values: Sequence[float], weights: Sequence[float]) -> tuple[float, float]:
    """The first midpoint of sorted distinct values with the largest w0 w1 (mu0 - mu1)^2, and that variance."""
    distinct, total = sorted(set(values)), sum(weights)
    found: list[tuple[float, float]] = []
    for low, high in pairwise(distinct):
        t = (low + high) / 2
        sides = [[(v, w / total) for v, w in zip(values, weights) if (v <= t) is left] for left in (True, False)]
        (w0, w1) = (sum(w for _, w in side) for side in sides)
        (mu0, mu1) = (sum(v * w for v, w in side) / whole for side, whole in zip(sides, (w0, w1)))
        found.append((w0 * w1 * (mu0 - mu1) ** 2, t))
    top = max(v for v, _ in found)
    return next((t, v) for v, t in found if v >= top * (1 - 1e-12))


def open_set(correct: Sequence[int], known: Sequence[float], unknown: Sequence[float]) -> dict[str, float]:
    """AUROC, FPR at 95 % TPR and OSCR over the distinct scores, falling."""
    points, fpr_at = [(0.0, 0.0)], None
    for t in sorted({*known, *unknown}, reverse=True):
        fpr = sum(s >= t for s in unknown) / len(unknown)
        accepted = sum(s >= t for s in known)
        points.append((fpr, sum(c and s >= t for c, s in zip(correct, known)) / len(known)))
        if fpr_at is None and 100 * accepted >= 95 * len(known):
            fpr_at = fpr
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))
    assert fpr_at is not None
    return {"auroc": auc([-s for s in known], [-s for s in unknown]), "fpr@95tpr": fpr_at, "oscr": area}
