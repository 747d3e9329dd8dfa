"""Class probabilities of one search, class by class, as the formula says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def votes(neighbours: Sequence[tuple[float, int]], c: int) -> float:
    """Log of how many neighbours class c has, each counted by the eighth power of the nearest's distance over its own."""
    own = [distance for distance, each in neighbours if each == c]
    return math.log(sum(1.0 if distance == 0 else (own[0] / distance) ** 8 for distance in own))


def probabilities(
    neighbours: Sequence[tuple[float, int]],
    classes: int,
    slopes: Mapping[str, float],
    scale: float,
    winner: int,
    fitted: int,
) -> list[float]:
    """P(c) of every class; `neighbours` are (distance, class) pairs, nearest first."""
    signed = any(distance < 0 for distance, _ in neighbours)

    def log_weight(distance: float) -> float:
        x = distance / scale
        ratio = 0.0 if signed else -math.log(math.sqrt(x * x + 0.01))
        return slopes["ratio"] * ratio - slopes["difference"] * x

    logs = []
    for c in range(classes):
        own = [distance for distance, each in neighbours if each == c]
        if own:
            extra = 0.0 if signed else votes(neighbours, c)
            logs.append(log_weight(own[0]) + slopes["votes"] * extra)
        elif neighbours:
            logs.append(log_weight(neighbours[-1][0]) - slopes["unseen"])
        else:
            logs.append(0.0)
    logs = [min(each, logs[winner]) for each in logs]
    total = sum(math.exp(each - logs[winner]) for each in logs)
    doubt = 1 / (fitted + 20)
    return [(1 - doubt) * math.exp(each - logs[winner]) / total + doubt / classes for each in logs]
