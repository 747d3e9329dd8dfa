"""Which triplets a rule keeps: lists of (anchor, positive, negative), chosen by the real parts of the distances."""

from __future__ import annotations

from oracles.arithmetic import highest, lowest, real
from oracles.distances import Matrix
from oracles.kin import Kin

Triplets = list[tuple[int, int, int]]


def all_valid(kin: Kin) -> Triplets:
    return [(a, p, n) for a in kin.rows for p in kin.positives[a] for n in kin.negatives[a]]


def semi_hard(d: Matrix, kin: Kin, fallback: str = "easiest") -> Triplets:
    """TRI-3: for each positive pair the nearest negative strictly farther than the positive (ties: lowest index);
    without one, the farthest negative ("easiest") or nothing ("skip")."""
    triplets: Triplets = []
    for a in kin.rows:
        for p in kin.positives[a]:
            farther = [(d[a][n], n) for n in kin.negatives[a] if real(d[a][n]) > real(d[a][p])]
            if farther:
                triplets.append((a, p, lowest(farther)))
            elif kin.negatives[a] and fallback == "easiest":
                triplets.append((a, p, highest((d[a][n], n) for n in kin.negatives[a])))
    return triplets


def semi_hard_set(d: Matrix, kin: Kin, margin: float) -> Triplets:
    """TRI-3 "set": every triplet with d_ap < d_an < d_ap + m."""
    return [(a, p, n) for a, p, n in all_valid(kin) if real(d[a][p]) < real(d[a][n]) < real(d[a][p]) + margin]


def batch_hard(d: Matrix, kin: Kin) -> Triplets:
    """TRI-4: the farthest positive and the nearest negative of every anchor that has both; ties: lowest index."""
    return [
        (a, highest((d[a][p], p) for p in kin.positives[a]), lowest((d[a][n], n) for n in kin.negatives[a]))
        for a in kin.rows
        if kin.positives[a] and kin.negatives[a]
    ]


def drawn(kin: Kin, noise: list[list[float]], count: int) -> Triplets:
    """TRI-6: `count` triplets an anchor, each candidate list cut into equal parts of [0, 1).

    The first `count` uniforms of a row draw positives, the last `count` negatives.
    """
    triplets: Triplets = []
    for a in kin.rows:
        positives, negatives = kin.positives[a], kin.negatives[a]
        for t in range(count if positives and negatives else 0):
            p = positives[int(noise[a][t] * len(positives))]
            n = negatives[int(noise[a][count + t] * len(negatives))]
            triplets.append((a, p, n))
    return triplets


def easiest_triplet(d: Matrix, kin: Kin) -> Triplets:
    """Wrong (000, min and max as printed, read on distances): nearest positive, farthest negative."""
    return [
        (a, lowest((d[a][p], p) for p in kin.positives[a]), highest((d[a][n], n) for n in kin.negatives[a]))
        for a in kin.rows
        if kin.positives[a] and kin.negatives[a]
    ]


def easy_positive(d: Matrix, kin: Kin) -> Triplets:
    """Wrong (000, min and max as printed, read on the loss): nearest positive, nearest negative."""
    return [
        (a, lowest((d[a][p], p) for p in kin.positives[a]), lowest((d[a][n], n) for n in kin.negatives[a]))
        for a in kin.rows
        if kin.positives[a] and kin.negatives[a]
    ]


def classify(d: Matrix, kin: Kin, margin: float) -> dict[str, int]:
    """TRI-COUNT (002): a partition of all valid triplets."""
    counts = {"easy": 0, "semi_hard": 0, "hard": 0, "total": 0}
    for a, p, n in all_valid(kin):
        positive, negative = real(d[a][p]), real(d[a][n])
        kind = "easy" if negative >= positive + margin else "hard" if negative < positive else "semi_hard"
        counts[kind] += 1
        counts["total"] += 1
    return counts
