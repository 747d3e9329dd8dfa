"""Two-way variance parts, interval and p-value by scalar loops: units are left out one by one, quantiles are those of scipy's t."""

from __future__ import annotations

import math

from scipy import optimize, stats

Scores = list[list[float]]


def mean_of(scores: Scores, units: list[int], left_out: int | None = None) -> float:
    """Mean over seeds and queries, one unit left out."""
    kept = [score for row in scores for score, unit in zip(row, units) if unit != left_out]
    return sum(kept) / len(kept)


def parts(scores: Scores, units: list[int]) -> tuple[float, float, float]:
    """A, B and G: what seeds, units and their interaction add to the variance of the mean."""
    names = sorted(set(units))
    S, C = len(scores), len(names)
    mean = mean_of(scores, units)
    seed_means = [mean_of([row], units) for row in scores]
    A = sum((value - mean) ** 2 for value in seed_means) / (S * (S - 1)) if S > 1 else 0.0
    if C == 1:
        return A, 0.0, 0.0
    pulls = []  # (C - 1) (the seed's mean - its mean without the unit), centred over the units of the seed
    for row, value in zip(scores, seed_means):
        raw = [(C - 1) * (value - mean_of([row], units, name)) for name in names]
        pulls.append([pull - sum(raw) / C for pull in raw])
    of_unit = [sum(row[c] for row in pulls) / S for c in range(C)]
    B = sum(pull**2 for pull in of_unit) / (C * (C - 1))
    if S == 1:
        return A, B, 0.0
    G = sum((pulls[s][c] - of_unit[c]) ** 2 for s in range(S) for c in range(C)) / (S * C * (S - 1) * (C - 1))
    return A, B, G


def freedom(units: list[int]) -> float:
    """C' - 1, at least 1."""
    sizes = [units.count(name) for name in set(units)]
    return max(1.0, sum(sizes) ** 2 / sum(size**2 for size in sizes) - 1)


def half_width(scores: Scores, units: list[int], level: float) -> float:
    """Half the interval at a two-sided error."""
    A, B, G = parts(scores, units)
    seeds = stats.t.isf(level / 2, len(scores) - 1) ** 2 if len(scores) > 1 else 0.0
    classes = stats.t.isf(level / 2, freedom(units)) ** 2 if len(set(units)) > 1 else 0.0
    return math.sqrt(max(A * seeds + max(B - G, 0) * classes, max(A - G, 0) * seeds + B * classes))


def p_value(scores: Scores, units: list[int]) -> float:
    """The error at which the interval ends at 0."""
    mean = abs(mean_of(scores, units))
    return optimize.brentq(lambda level: half_width(scores, units, level) - mean, 1e-12, 1, xtol=1e-15)


def holm(p: list[float]) -> list[float]:
    """Reject in order of size while p < level / (tests left); an adjusted p is the smallest level that rejects."""
    adjusted = []
    for value in p:
        before = [other for other in p if other <= value]
        worst = [other * sum(third >= other for third in p) for other in before]
        adjusted.append(min(1.0, max(worst)))
    return adjusted
