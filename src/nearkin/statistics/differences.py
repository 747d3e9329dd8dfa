"""Is one method better than another? Paired differences on the same queries and the same seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from nearkin.core import InputError, integer, pick, within
from nearkin.statistics.cells import Array, score_rows
from nearkin.statistics.intervals import spoken_for, spread_of_pairs, spread_of_rows
from nearkin.statistics.levels import checked_confidence
from nearkin.statistics.multiplicity import holm
from nearkin.statistics.planning import detectable
from nearkin.statistics.records import Difference
from nearkin.statistics.twoway import Spread
from nearkin.statistics.widths import half_width, two_sided_p


def difference(
    a: ArrayLike,
    b: ArrayLike,
    classes: ArrayLike,
    *,
    names: tuple[str, str] = ("a", "b"),
    confidence: float = 0.95,
    comparisons: int = 1,
    power: float = 0.8,
    over: str = "classes",
    seedless: bool = False,
) -> Difference:
    """Mean difference a - b, with an interval and a p-value over classes and seeds together.

    Shapes:    a, b (S, Q): the same seeds in the same rows, the same queries in the same columns; classes (Q,).
               A vector (Q,) beside a table (S, Q) is a method without seeds (raw pixels): the same for every seed
    Equation:  d[s, q] = a[s, q] - b[s, q]; its mean over all; half width of `widths` from the two-way parts of `twoway`
    comparisons: how many differences are taken together. The interval stays at `confidence`; the adjusted p-value is
               Bonferroni's and `detectable` is for this family. `against_baseline` and `all_pairs` do this for you
    seedless:  both methods draw nothing from their seeds, so one row is all there is; without it one row is one seed
    Edge:      one seed of methods that have seeds: `p` is None and nothing is ever claimed
    Errors:    InputError for different shapes, for queries scored in some rows only, for fewer than one class
    """
    rows = _aligned({names[0]: a, names[1]: b})
    spread, queries = spread_of_rows([rows[0] - rows[1]], classes, over)
    family = _Family(confidence, integer("comparisons", comparisons, minimum=1), _power(power), over, seedless, queries)
    found = family.record(spread, 0, names)
    if found.p is None:
        return found
    adjusted = min(1.0, found.p * comparisons)
    return replace(found, p_adjusted=adjusted, claimed=adjusted <= 1 - confidence)


def against_baseline(
    methods: Mapping[str, ArrayLike],
    classes: ArrayLike,
    *,
    baseline: str,
    confidence: float = 0.95,
    power: float = 0.8,
    over: str = "classes",
    seedless: bool = False,
) -> dict[str, Difference]:
    """Every other method minus the baseline, in the order given; p-values adjusted by Holm's method.

    The probability that any difference is claimed where there is none is at most 1 - confidence. The intervals are those
    of single differences. `detectable` is the difference that Holm's first step would see.
    """
    pick("method", methods, baseline, where="the baseline must be one of the methods")
    others = [name for name in methods if name != baseline]
    if not others:
        raise InputError(f"only the baseline {baseline!r} was given; a comparison needs at least one more method")
    pairs = [(name, baseline) for name in others]
    found = _differences(methods, classes, pairs, 1.0, confidence, power, over, seedless)
    adjusted = holm([one.p for one in found])
    return {
        one.a: replace(one, p_adjusted=p, claimed=p is not None and p <= 1 - confidence)
        for one, p in zip(found, adjusted)
    }


def all_pairs(
    methods: Mapping[str, ArrayLike],
    classes: ArrayLike,
    *,
    confidence: float = 0.95,
    power: float = 0.8,
    over: str = "classes",
    seedless: bool = False,
) -> dict[tuple[str, str], Difference]:
    """Every pair of methods with simultaneous intervals: all of them hold together with the given confidence.

    Equation:  each of the k = M (M - 1)/2 intervals at error (1 - confidence)/k, p-values times k (Bonferroni)
    Returns:   {(first, second): first - second}, pairs in the order of the methods
    """
    if len(methods) < 2:
        raise InputError(f"a comparison of pairs needs at least two methods, got {len(methods)}")
    pairs = list(combinations(methods, 2))
    found = _differences(methods, classes, pairs, float(len(pairs)), confidence, power, over, seedless)
    answer = {}
    for one in found:
        p = None if one.p is None else min(1.0, one.p * len(pairs))
        answer[one.a, one.b] = replace(one, p_adjusted=p, claimed=p is not None and p <= 1 - confidence)
    return answer


class _Family:
    """What the differences of one family share, and the making of their records."""

    def __init__(self, confidence: float, comparisons: int, power: float, over: str, seedless: bool, queries: int) -> None:
        self.confidence = checked_confidence(confidence)
        self.comparisons = comparisons
        self.power = power
        self.over = over
        self.seedless = seedless
        self.queries = queries

    def record(self, spread: Spread, place: int, names: tuple[str, str], divisor: float = 1.0) -> Difference:
        one = spread.at(place)
        estimate, error = float(one.mean), math.sqrt(float(one.variance))
        words, note = self._words(one)
        refused = self._refused(one)
        half = float(half_width(one, (1 - self.confidence) / divisor))
        known = one.units > 1 or one.seeds > 1
        components = one.components()
        cell = math.sqrt(components.seed + components.unit + components.residual)
        level = (1 - self.confidence) / self.comparisons
        return Difference(
            a=names[0],
            b=names[1],
            estimate=estimate,
            low=estimate - half if known else None,
            high=estimate + half if known else None,
            p=None if refused else float(two_sided_p(one)),
            p_adjusted=None,
            claimed=False,
            confidence=self.confidence,
            standard_error=error if known else None,
            standardised=estimate / cell if cell > 0 and not refused else None,
            components=None if refused else components,
            detectable=None if refused else detectable(one, level, self.power),
            power=self.power,
            comparisons=self.comparisons,
            over=words,
            seeds=one.seeds,
            units=one.units,
            queries=self.queries,
            note=note,
        )

    def _refused(self, spread: Spread) -> bool:
        return spread.seeds == 1 and (spread.units == 1 or not self.seedless)

    def _words(self, spread: Spread) -> tuple[str, str]:
        words, note = spoken_for(spread, self.over)
        if spread.seeds == 1 and spread.units > 1:
            if self.seedless:
                return words, ""
            note += "; no difference is claimed from one seed"
        return words, note


def _differences(
    methods: Mapping[str, ArrayLike],
    classes: ArrayLike,
    pairs: Sequence[tuple[str, str]],
    divisor: float,
    confidence: float,
    power: float,
    over: str,
    seedless: bool,
) -> list[Difference]:
    rows = dict(zip(methods, _aligned(methods)))
    spread, queries = spread_of_pairs(rows, pairs, classes, over)
    family = _Family(confidence, len(pairs), _power(power), over, seedless, queries)
    return [family.record(spread, place, pair, divisor) for place, pair in enumerate(pairs)]


def _aligned(methods: Mapping[str, ArrayLike]) -> list[Array]:
    """All score tables with the same (S, Q); vectors beside tables are repeated for every seed."""
    tables = [score_rows(f"the scores of {name!r}", values) for name, values in methods.items()]
    vector = [np.ndim(values) == 1 for values in methods.values()]
    shapes = {table.shape for table, single in zip(tables, vector) if not single} or {tables[0].shape}
    if len(shapes) > 1 or len({table.shape[1] for table in tables}) > 1:
        told = ", ".join(f"{name!r} {np.shape(values)}" for name, values in methods.items())
        raise InputError(f"methods must share seeds and queries, (seeds, queries) each; got {told}")
    return [np.broadcast_to(table, next(iter(shapes))) for table in tables]


def _power(power: float) -> float:
    if not 0 < within("power", power, 0.0, 1.0) < 1:
        raise InputError(f"power must lie between 0 and 1, both excluded, got {power!r}")
    return float(power)
