"""Is one method better than another? Paired differences on the same queries and the same seeds, alone or in a family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

from numpy.typing import ArrayLike

from nearkin.core import InputError, integer, pick
from nearkin.statistics.multiplicity import holm
from nearkin.statistics.pairs import BOUNDS, Design, differences_of
from nearkin.statistics.records import Difference


def difference(
    a: ArrayLike,
    b: ArrayLike,
    classes: ArrayLike | None,
    *,
    names: tuple[str, str] = ("a", "b"),
    comparisons: int = 1,
    confidence: float = 0.95,
    power: float = 0.8,
    over: str = "classes",
    bounds: tuple[float, float] | None = BOUNDS,
    seedless: bool = False,
) -> Difference:
    """Mean difference a - b with an interval and a p-value over classes and seeds together.

    Equation:  d[s, q] = a[s, q] - b[s, q],  estimate = mean of d,
               half^2 = max(A tA^2 + (B - G)+ tB^2,  (A - G)+ tA^2 + B tB^2)
    Parts:     A, B and G are what the seeds, the classes and their interaction add to the variance of the mean; tA and tB
               the two-sided t quantiles with S - 1 and C - 1 degrees of freedom (fewer for classes of unequal size)
    Shapes:    a, b (S, Q): the same seeds in the same rows, the same queries in the same columns; classes (Q,).
               A vector (Q,) beside a table (S, Q) is the same for every seed: raw pixels, or one fixed network.
               classes=None: one number a run (NMI), a and b (S,); then this is the paired t-test over seeds
    comparisons: how many differences are judged together. The interval stays at `confidence`; `p_adjusted` is
               Bonferroni's and `detectable` is for this family. `against_baseline` and `all_pairs` do it for you
    over:      what is a sample: "classes" (new classes, the default), "groups" (give group ids for `classes`), or
               "queries" (these very classes, other images of them; `classes` is not used), or "episodes" (the columns
               are episodes, and others could have been drawn of the same images; `classes` is not used)
    bounds:    the range of the scores; a difference cannot leave it. None for an unbounded score
    seedless:  neither method draws anything from its seed, so one row is all there is. Otherwise one row is one seed
    Edge:      one seed: `p` is None, nothing is ever claimed, and the interval covers the classes only.
               NaN marks a query without a score, for all methods and seeds alike
    Errors:    InputError for different shapes, for queries scored in some rows only, for scores outside `bounds`
    """
    if names[0] == names[1]:
        raise InputError(f"the two methods need different names, got {names[0]!r} twice")
    design = Design(integer("comparisons", comparisons, minimum=1), 1, confidence, power, over, bounds, seedless)
    (found,) = differences_of({names[0]: a, names[1]: b}, [names], classes, design)
    return _bonferroni(found, comparisons)


def against_baseline(
    methods: Mapping[str, ArrayLike],
    classes: ArrayLike | None,
    *,
    baseline: str,
    confidence: float = 0.95,
    power: float = 0.8,
    over: str = "classes",
    bounds: tuple[float, float] | None = BOUNDS,
    seedless: bool = False,
) -> dict[str, Difference]:
    """Every other method minus the baseline, in the order given; p-values adjusted by Holm's method.

    Promise:   the probability that anything is claimed where there is nothing is at most 1 - confidence
    Intervals: those of single differences, so one may exclude 0 without a claim
    detectable: what Holm's first step would see. Other arguments as in `difference`
    """
    pick("method", methods, baseline, where="the baseline must be one of the methods")
    pairs = [(name, baseline) for name in methods if name != baseline]
    if not pairs:
        raise InputError(f"only the baseline {baseline!r} was given; a comparison needs at least one more method")
    design = Design(len(pairs), 1, confidence, power, over, bounds, seedless)
    found = differences_of(methods, pairs, classes, design)
    adjusted = holm([one.p for one in found])
    return {one.a: _judged(one, p) for one, p in zip(found, adjusted)}


def all_pairs(
    methods: Mapping[str, ArrayLike],
    classes: ArrayLike | None,
    *,
    confidence: float = 0.95,
    power: float = 0.8,
    over: str = "classes",
    bounds: tuple[float, float] | None = BOUNDS,
    seedless: bool = False,
) -> dict[tuple[str, str], Difference]:
    """Every pair of methods with simultaneous intervals: all of them hold together with the given confidence.

    Level:     each of the k = M (M - 1)/2 intervals has error (1 - confidence)/k, and p-values are taken k times
               (Bonferroni); so a difference is claimed where its interval excludes 0
    Returns:   {(first, second): first - second}, in the order of the methods. Other arguments as in `difference`
    """
    if len(methods) < 2:
        raise InputError(f"a comparison of pairs needs at least two methods, got {len(methods)}")
    pairs = list(combinations(methods, 2))
    design = Design(len(pairs), len(pairs), confidence, power, over, bounds, seedless)
    return {(one.a, one.b): _bonferroni(one, len(pairs)) for one in differences_of(methods, pairs, classes, design)}


def _bonferroni(found: Difference, comparisons: int) -> Difference:
    return _judged(found, None if found.p is None else min(1.0, found.p * comparisons))


def _judged(found: Difference, adjusted: float | None) -> Difference:
    return replace(found, p_adjusted=adjusted, claimed=adjusted is not None and adjusted <= 1 - found.confidence)
