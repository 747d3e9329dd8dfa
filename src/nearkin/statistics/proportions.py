"""Counts of right and wrong: Wilson's interval of one share, McNemar's test of two on the same queries."""

from __future__ import annotations

import math

from nearkin.core import InputError, integer
from nearkin.statistics.levels import normal_quantile
from nearkin.statistics.records import Interval
from nearkin.statistics.special import special


def wilson(hits: int, trials: int, *, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a share of independent trials [EVA-7].

    Equation:  centre = (k + z^2/2) / (n + z^2),  half = z / (n + z^2) sqrt(k (n - k)/n + z^2/4)
    Units:     k `hits` of n `trials`, both counts; z the normal quantile of (1 + confidence)/2
    Edge:      trials are taken as independent; queries that share a class are not: see `interval`
    Source:    Wilson, "Probable inference", JASA 1927

    >>> answer = wilson(836, 1000)
    >>> round(answer.low, 3), round(answer.high, 3)
    (0.812, 0.858)
    """
    integer("hits", hits)
    integer("trials", trials, minimum=1)
    if hits > trials:
        raise InputError(f"hits must be at most trials, got {hits} of {trials}")
    z = normal_quantile(confidence)
    share = hits / trials
    low, high = score_interval(share, trials, z)
    error = math.sqrt(share * (1 - share) / trials)
    return Interval(share, low, high, confidence, error, "queries", 1, trials, trials)


def score_interval(share: float, trials: float, critical: float) -> tuple[float, float]:
    """Both ends of Wilson's interval for a share of `trials` (need not be whole) at a critical value; exact at 0 and 1."""
    square = critical * critical
    centre = (share + square / (2 * trials)) / (1 + square / trials)
    half = critical / (1 + square / trials) * math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    low = 0.0 if share == 0 else max(0.0, centre - half)
    high = 1.0 if share == 1 else min(1.0, centre + half)
    return low, high


def mcnemar(only_a: int, only_b: int) -> float:
    """McNemar's exact two-sided p-value for two methods, one run each, on the same independent queries [EVA-8].

    Equation:  p = min(1, 2 P(X <= min(b, c))),  X binomial(b + c, 1/2)
    Units:     b `only_a` queries that only the first method has right, c `only_b` only the second; b + c = 0 gives 1
    Edge:      it speaks about these two trained networks, not about the methods: seeds are not in it, see `difference`
    Source:    McNemar, Psychometrika 1947

    >>> round(mcnemar(40, 22), 4)
    0.03
    """
    integer("only_a", only_a)
    integer("only_b", only_b)
    discordant = only_a + only_b
    if discordant == 0:
        return 1.0
    return float(min(1.0, 2 * special().bdtr(min(only_a, only_b), discordant, 0.5)))


def mcnemar_statistic(only_a: int, only_b: int) -> float:
    """The continuity-corrected chi-square of McNemar's test, (|b - c| - 1)^2/(b + c), 1 degree of freedom; 0 where b + c = 0."""
    integer("only_a", only_a)
    integer("only_b", only_b)
    discordant = only_a + only_b
    return (abs(only_a - only_b) - 1) ** 2 / discordant if discordant else 0.0
