"""Agreement of two partitions, pair by pair and cell by cell, and k-means in scalar loops [EVA-2]."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np

Points = Sequence[Sequence[float]]


def pair_scores(labels: Sequence[int], clusters: Sequence[int]) -> tuple[float, float, float]:
    """Precision, recall and F1 over unordered pairs."""
    same_class = same_cluster = both = 0
    for i, j in combinations(range(len(labels)), 2):
        same_class += labels[i] == labels[j]
        same_cluster += clusters[i] == clusters[j]
        both += labels[i] == labels[j] and clusters[i] == clusters[j]
    precision = both / same_cluster if same_cluster else 0.0
    recall = both / same_class if same_class else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if both else 0.0


def entropy(labels: Sequence[int]) -> float:
    total = 0.0
    for value in set(labels):
        p = list(labels).count(value) / len(labels)
        total -= p * math.log(p)
    return total


def information(labels: Sequence[int], clusters: Sequence[int]) -> float:
    n, total = len(labels), 0.0
    for a in set(labels):
        for b in set(clusters):
            both = sum(x == a and y == b for x, y in zip(labels, clusters, strict=True))
            if both:
                expected = list(labels).count(a) * list(clusters).count(b) / n
                total += both / n * math.log(both / expected)
    return total


def expected_information(labels: Sequence[int], clusters: Sequence[int]) -> float:
    """Expected information of random partitions of these sizes; the hypergeometric chances in exact fractions."""
    n, total = len(labels), 0.0
    for a in [list(labels).count(v) for v in set(labels)]:
        for b in [list(clusters).count(v) for v in set(clusters)]:
            for both in range(max(1, a + b - n), min(a, b) + 1):
                chance = Fraction(math.comb(b, both) * math.comb(n - b, a - both), math.comb(n, a))
                total += both / n * math.log(n * both / (a * b)) * float(chance)
    return total


def nmi(labels: Sequence[int], clusters: Sequence[int]) -> float:
    mean = (entropy(labels) + entropy(clusters)) / 2
    return information(labels, clusters) / mean if mean else 1.0


def ami(labels: Sequence[int], clusters: Sequence[int]) -> float:
    expected = expected_information(labels, clusters)
    mean = (entropy(labels) + entropy(clusters)) / 2
    return (information(labels, clusters) - expected) / (mean - expected)


def squared(x: Sequence[float], z: Sequence[float]) -> float:
    return sum((a - b) ** 2 for a, b in zip(x, z, strict=True))


def starts(points: Points, clusters: int, rng: np.random.Generator, pool: int = 128) -> list[int]:
    """Greedy k-means++: the first uniformly; then, of 2 + log k draws by squared distance, the one that leaves least.

    Draws come from a pool of proposals by the weights of an earlier step, each accepted with chance now / then.
    """
    chosen = [int(rng.integers(len(points)))]
    trials = 2 + int(math.log(clusters))
    proposals: list[tuple[int, float, float]] = []
    while len(chosen) < clusters:
        weight = [min(squared(x, points[c]) for c in chosen) for x in points]
        draws: list[int] = []
        while len(draws) < trials:
            if not proposals:
                indices = [_place(weight, uniform) for uniform in rng.random(max(trials, pool))]
                uniforms = rng.random(max(trials, pool))
                proposals = [(i, weight[i], u) for i, u in zip(indices, uniforms.tolist(), strict=True)]
            index, then, uniform = proposals.pop(0)
            if uniform * then < weight[index]:
                draws.append(index)
        left = [sum(min(w, squared(x, points[d])) for w, x in zip(weight, points, strict=True)) for d in draws]
        chosen.append(draws[left.index(min(left))])
    return chosen


def _place(weight: Sequence[float], uniform: float) -> int:
    running, goal = 0.0, uniform * sum(weight)
    for index, w in enumerate(weight):
        running += w
        if running > goal:
            return index
    return len(weight) - 1


def lloyd(points: Points, centres: Points) -> tuple[list[int], list[list[float]]]:
    """Rounds until no point changes its cluster (no cluster may run empty here)."""
    centres = [list(c) for c in centres]
    before: list[int] = []
    while True:
        now = [min(range(len(centres)), key=lambda c: (squared(x, centres[c]), c)) for x in points]
        if now == before:
            return now, centres
        for c in range(len(centres)):
            own = [x for x, cluster in zip(points, now, strict=True) if cluster == c]
            centres[c] = [sum(column) / len(own) for column in zip(*own, strict=True)]
        before = now
