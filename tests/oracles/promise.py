"""A search's promise from its definition: every threshold tried, the bound by exact fractions or by drawing weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import comb, inf


def binomial_doubt(hits: int, classes: int, rate: Fraction) -> Fraction:
    """P(X <= hits), X binomial: the doubt where `hits` of the classes are accepted wholly and the others not at all."""
    return sum((comb(classes, k) * rate**k * (1 - rate) ** (classes - k) for k in range(hits + 1)), Fraction(0))


def doubt(accepted: Sequence[int], photos: Sequence[int], rate: float) -> float:
    """P(sum_c E_c y_c >= 0) with exponential weights, for values y that all differ, by partial fractions."""
    largest = max(photos)
    values = [n / largest * (a / n - rate) for a, n in zip(accepted, photos, strict=True)] + [1 - rate]
    total = 0.0
    for place, value in enumerate(values):
        if value > 0:
            part = 1.0
            for other, against in enumerate(values):
                if other != place:
                    part *= value / (value - against)
            total += part
    return total


def threshold_steps(
    distances: Sequence[float], classes: Sequence[str], holds: Callable[[dict[str, int]], bool]
) -> float:
    """The smallest distance at which accepting everything up to it no longer holds; infinite where all hold."""
    for limit in sorted(set(distances)):
        if limit == inf:
            break
        accepted = dict.fromkeys(classes, 0)
        for distance, name in zip(distances, classes, strict=True):
            accepted[name] += distance <= limit
        if not holds(accepted):
            return limit
    return inf


def named(distances: Sequence[float], voters: Sequence[int]) -> tuple[int, float]:
    """The class of the largest distance-weighted vote, and its nearest voter's distance."""
    zero = any(distance == 0 for distance in distances)
    votes: dict[int, float] = {}
    for distance, voter in zip(distances, voters, strict=True):
        weight = (1.0 if distance == 0 else 0.0) if zero else 1 / distance
        votes[voter] = votes.get(voter, 0.0) + weight
    winner = max(sorted(votes), key=lambda voter: round(votes[voter], 12))
    return winner, min(distance for distance, voter in zip(distances, voters, strict=True) if voter == winner)
