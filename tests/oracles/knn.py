"""kNN votes of one query, class by class [EVA-3]."""

from __future__ import annotations

from collections.abc import Sequence


def shares(neighbours: Sequence[tuple[float, int]], classes: Sequence[int], weights: str) -> list[float]:
    """Each class's share of the vote; `neighbours` are (distance, class) pairs, nearest first."""
    zero = any(d == 0 for d, _ in neighbours)
    total, votes = 0.0, {c: 0.0 for c in classes}
    for distance, c in neighbours:
        if weights == "uniform":
            weight = 1.0
        elif zero:
            weight = 1.0 if distance == 0 else 0.0
        else:
            weight = 1.0 / distance
        votes[c] += weight
        total += weight
    return [votes[c] / total for c in classes]


def ranking(scores: Sequence[float], classes: Sequence[int]) -> list[int]:
    """Classes by falling score, ties to the smallest class."""
    return [c for _, c in sorted(zip((-s for s in scores), classes, strict=True))]


def right(scores: Sequence[float], classes: Sequence[int], truth: int, top: int) -> bool:
    """Whether the true class is among the first `top` classes that have a positive score."""
    positive = [c for c in ranking(scores, classes) if scores[list(classes).index(c)] > 0]
    return truth in positive[:top]


def nearest(distances: Sequence[float], allowed: Sequence[int], k: int) -> list[int]:
    """The k nearest by (distance, index); all of them where there are fewer."""
    return sorted(allowed, key=lambda j: (distances[j], j))[:k]
