"""Which triplets a rule keeps: lists of (anchor, positive, negative), chosen by the real parts of the distances."""

from __future__ import annotations

import math
from collections.abc import Sequence

from oracles.arithmetic import highest, lowest, real
from oracles.distances import Matrix, Vector, euclidean, unit
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


def unit_matrix(anchors: Sequence[Vector], columns: Sequence[Sequence[Vector]]) -> list[list[float]]:
    """|u(x) - u(z)| of every row and its columns; a zero row has no direction and lies at sqrt 2."""
    return [[unit_distance(a, c) for c in row] for a, row in zip(anchors, columns, strict=True)]


def unit_distance(x: Vector, z: Vector) -> float:
    x, z = [real(a) for a in x], [real(a) for a in z]
    if not any(x) or not any(z):
        return math.sqrt(2)
    return real(euclidean(unit(x), unit(z)))


def nearest_positive(d: Matrix, kin: Kin, negatives: str) -> Triplets:
    """MIN-EP: the nearest positive, and the nearest negative ("hard") or the nearest farther than it ("semi-hard")."""
    triplets: Triplets = []
    for a in kin.rows:
        if kin.positives[a]:
            p = lowest((d[a][p], p) for p in kin.positives[a])
            far = [n for n in kin.negatives[a] if negatives == "hard" or real(d[a][n]) > real(d[a][p])]
            triplets += [(a, p, lowest((d[a][n], n) for n in far))] if far else []
    return triplets


def density_weights(
    d: Matrix, kin: Kin, dimensions: int, cutoff: float = 0.5, upper: float = 1.4
) -> list[dict[int, float]]:
    """MIN-DW: the probability of each negative of each row, the inverse of its distance's density on the sphere."""
    rows = []
    for a in kin.rows:
        weights = {}
        for n in kin.negatives[a]:
            if real(d[a][n]) < upper:
                far = max(real(d[a][n]), cutoff)
                lost = max(1 - far * far / 4, 1e-8)
                weights[n] = far ** (2 - dimensions) * lost ** ((3 - dimensions) / 2)
        rows.append({n: weight / sum(weights.values()) for n, weight in weights.items()})
    return rows


def drawn_by_density(
    d: Matrix, kin: Kin, noise: list[list[float]], dimensions: int, cutoff: float = 0.5, upper: float = 1.4
) -> Triplets:
    """MIN-DW: positive pair number j of P takes the uniform u + j / P, modulo 1, and the negative it falls on."""
    triplets: Triplets = []
    for a, weights in enumerate(density_weights(d, kin, dimensions, cutoff, upper)):
        for j, p in enumerate(kin.positives[a]):
            place = (noise[a][0] + j / len(kin.positives[a])) % 1
            triplets += [(a, p, fallen_on(weights, place))] if weights else []
    return triplets


def fallen_on(weights: dict[int, float], place: float) -> int:
    """Where `place` in [0, 1) falls when the weights are laid end to end."""
    for n, weight in weights.items():
        place -= weight
        if place < 0:
            return n
    return max(weights)


def wide_angles(
    anchors: Sequence[Vector], columns: Sequence[Sequence[Vector]], kin: Kin, degrees: float = 20.0
) -> Triplets:
    """MIN-AN: triplets with atan(|a - p| / (2 |n - c|)) above the threshold, c the middle of a and p, normalised."""
    triplets: Triplets = []
    for a, p, n in all_valid(kin):
        x, y, z = ([real(v) for v in unit(row)] for row in (anchors[a], columns[a][p], columns[a][n]))
        center = [(s + t) / 2 for s, t in zip(x, y, strict=True)]
        if math.degrees(math.atan2(real(euclidean(x, y)), 2 * real(euclidean(z, center)))) > degrees:
            triplets.append((a, p, n))
    return triplets


def surviving_pairs(d: Matrix, kin: Kin, eps: float = 0.1) -> tuple[list[list[int]], list[list[int]]]:
    """MIN-MS out of |u - u|: positives (a, p) with s_p - eps < max_N s, negatives with s_n + eps > min_P s, strictly."""
    kept: tuple[list[list[int]], list[list[int]]] = ([], [])
    for a in kin.rows:
        s = [1 - real(entry) ** 2 / 2 for entry in d[a]]
        if kin.positives[a] and kin.negatives[a]:
            hardest = max(s[n] for n in kin.negatives[a]), min(s[p] for p in kin.positives[a])
            kept[0].extend([a, p] for p in kin.positives[a] if s[p] - eps < hardest[0])
            kept[1].extend([a, n] for n in kin.negatives[a] if s[n] + eps > hardest[1])
    return kept


def surviving_triplets(d: Matrix, kin: Kin, eps: float = 0.1) -> Triplets:
    """MIN-MS: every triplet of surviving pairs."""
    positives, negatives = surviving_pairs(d, kin, eps)
    return [(a, p, n) for a, p, n in all_valid(kin) if [a, p] in positives and [a, n] in negatives]
