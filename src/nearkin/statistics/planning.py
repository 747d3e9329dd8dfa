"""The smallest difference that a design can see: before any run, or from what the runs showed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from nearkin.core import InputError, integer, non_negative, positive, within
from nearkin.statistics.cells import Array
from nearkin.statistics.levels import checked_confidence, checked_power
from nearkin.statistics.records import Components
from nearkin.statistics.special import special
from nearkin.statistics.twoway import Spread
from nearkin.statistics.widths import width_of_parts

_GRID = 16  # quantiles of each part over which the power is averaged: within 0.2 % of 128 from three seeds on
_HALVINGS = 24


def planned_components(
    *,
    queries_per_unit: float,
    score: float = 0.8,
    correlation: float = 0.5,
    seed_deviation: float = 0.01,
    unit_deviation: float = 0.02,
) -> Components:
    """Components of the difference of two methods when nothing has been measured yet.

    Equation:  residual = 2 (1 - r) p (1 - p) / n,  seed = 2 (1 - r) seed_deviation^2,  unit = unit_deviation^2
    Words:     the binomial variance of the difference of two hits with `score` p and `correlation` r, averaged over the n
               queries of a class in one run; in every run it is new, so it belongs to the residual
    Defaults:  p = 0.8 and r = 0.5: halfway between a hard and a solved task, and between strangers and twins; the score
               of a method moves by 0.01 from seed to seed, and a class favours one method by 0.02. All four are ours
    Edge:      a plan, not a measurement: take `Difference.components` as soon as there are runs
    """
    within("score", score, 0.0, 1.0)
    within("correlation", correlation, -1.0, 1.0)
    apart = 2 * (1 - correlation)
    noise = apart * score * (1 - score) / positive("queries_per_unit", queries_per_unit)
    seed = apart * non_negative("seed_deviation", seed_deviation) ** 2
    return Components(seed, non_negative("unit_deviation", unit_deviation) ** 2, noise)


def smallest_detectable(
    components: Components,
    *,
    seeds: int,
    units: int,
    comparisons: int = 1,
    confidence: float = 0.95,
    power: float = 0.8,
    span: float = 1.0,
) -> float | None:
    """The smallest true difference that S seeds and C units of equal size claim with probability `power`.

    Level:     (1 - confidence)/comparisons: Bonferroni's, which is Holm's first step; for 14 methods against a
               baseline give comparisons=14
    Equation:  P(d > half) = power for d normal(delta, seed/S + unit/C + residual/(S C)); delta is returned
    Width:     `half` as in `difference`, averaged over what the seeds' and the units' parts may turn out to be (scaled
               chi-squares)
    Returns:   a number in units of the score; None with one seed, where nothing is ever claimed, and where not even
               `span`, the largest difference possible (1 for a score in [0, 1]), would be seen
    """
    integer("seeds", seeds, minimum=1)
    integer("units", units, minimum=1)
    level = (1 - checked_confidence(confidence)) / integer("comparisons", comparisons, minimum=1)
    checked_power(power)
    if seeds == 1:
        return None
    seen = float(detectable(expected_spread(components, seeds, units), level, power, positive("span", span)))
    return None if math.isnan(seen) else seen


def expected_spread(components: Components, seeds: int, units: int) -> Spread:
    """The parts of the variance that S seeds and C units of equal size show on average."""
    if min(components.seed, components.unit, components.residual) < 0:
        raise InputError(f"variance components must be at least 0, got {components}")
    by_both = components.residual / (seeds * units) if units > 1 else 0.0
    by_seeds = (components.seed + components.residual / units) / seeds if seeds > 1 else 0.0
    by_units = (components.unit + components.residual / seeds) / units if units > 1 else 0.0
    parts = np.array([0.0, by_seeds, by_units, by_both])
    return Spread(parts[0], parts[1], parts[2], parts[3], seeds, units, float(units - 1))


def detectable(spread: Spread, level: float, power: float, span: float) -> Array:
    """The differences seen with `power` at an error `level` where the parts are those of `spread`; NaN where there is none."""
    error = np.sqrt(spread.variance)
    widths = width_of_parts(_possible(spread), level)
    with np.errstate(divide="ignore", invalid="ignore"):
        in_errors = widths / error[..., None, None]
        low, high = np.zeros_like(error), np.minimum(span / error, in_errors.max((-2, -1)) + 10)
        possible = _chance(high, in_errors) >= power
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        seen = _chance(middle, in_errors) >= power
        low, high = np.where(seen, low, middle), np.where(seen, middle, high)
    return np.where(possible & (error > 0), high * error, np.nan)


def _chance(shift: Array, widths: Array) -> Array:
    """P(normal(shift, 1) > width), averaged over the widths (..., A, B) that may come out."""
    return np.asarray(special().ndtr(shift[..., None, None] - widths).mean((-2, -1)), dtype=np.float64)


def _possible(spread: Spread) -> Spread:
    """The spread (..., A, B) with the seeds' and the units' parts at the quantiles of what they may turn out to be."""
    levels = (np.arange(_GRID) + 0.5) / _GRID
    by_seeds = spread.by_seeds[..., None, None] * _chi_square_ratio(levels, spread.seed_freedom)[:, None]
    by_units = spread.by_units[..., None, None] * _chi_square_ratio(levels, spread.unit_freedom)[None, :]
    return replace(spread, by_seeds=by_seeds, by_units=by_units, by_both=spread.by_both[..., None, None])


def _chi_square_ratio(levels: Array, freedom: float) -> Array:
    """Quantiles of chi-square over its degrees of freedom; 1 without any."""
    if freedom <= 0:
        return np.ones_like(levels)
    return np.asarray(special().gammaincinv(freedom / 2, levels) * 2 / freedom, dtype=np.float64)
