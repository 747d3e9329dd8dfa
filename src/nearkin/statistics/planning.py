"""The smallest difference that a design can see: before any run, or from what the runs showed."""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize, stats

from nearkin.core import InputError, integer, non_negative, within
from nearkin.statistics.levels import checked_confidence
from nearkin.statistics.records import Components
from nearkin.statistics.twoway import Spread
from nearkin.statistics.widths import half_width, t_quantile


def planned_components(
    *,
    queries_per_unit: float,
    score: float = 0.8,
    correlation: float = 0.5,
    seed_deviation: float = 0.01,
    unit_deviation: float = 0.02,
) -> Components:
    """Components of the difference of two methods when nothing has been measured yet.

    Equation:  noise = 2 p (1 - p) (1 - r) / n, the binomial variance of the difference of two hits with correlation r,
               averaged over the n queries of a class in one run; it is new in every run, so it belongs to `residual`.
               seed = 2 seed_deviation^2 (1 - r),  unit = unit_deviation^2
    Defaults:  p = 0.8 and r = 0.5 [ours]: halfway between a hard and a solved task, and between unrelated methods and
               twins; one run of a method moves by 0.01 from seed to seed, and a class favours one method by 0.02 [ours]
    Edge:      a plan, not a measurement: take `Difference.components` as soon as there are runs
    """
    within("score", score, 0.0, 1.0)
    within("correlation", correlation, -1.0, 1.0)
    if not queries_per_unit > 0:
        raise InputError(f"queries_per_unit must be above 0, got {queries_per_unit!r}")
    apart = 2 * (1 - correlation)
    noise = apart * score * (1 - score) / queries_per_unit
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
) -> float | None:
    """The smallest true difference that S seeds and C units claim with probability `power`, or None where S = 1.

    Level:     (1 - confidence)/comparisons: Bonferroni's, which is Holm's first step; with 14 methods against a
               baseline give comparisons=14
    Equation:  the delta at which P(|d| > half) = power, with d normal(delta, V) and half the width of `widths` at the
               expected parts, its spread by Satterthwaite's degrees of freedom (a noncentral t)
    Units:     those of the score
    Errors:    InputError for a power outside (0, 1) or counts below 1
    """
    integer("seeds", seeds, minimum=1)
    integer("units", units, minimum=1)
    level = (1 - checked_confidence(confidence)) / integer("comparisons", comparisons, minimum=1)
    if not 0 < within("power", power, 0.0, 1.0) < 1:
        raise InputError(f"power must lie between 0 and 1, both excluded, got {power!r}")
    if seeds == 1:
        return None
    return detectable(expected_spread(components, seeds, units), level, power)


def expected_spread(components: Components, seeds: int, units: int) -> Spread:
    """The parts of the variance that S seeds and C units of equal size show on average."""
    both = components.residual / (seeds * units) if units > 1 else 0.0
    by_seeds = (components.seed + components.residual / units) / seeds
    by_units = (components.unit + components.residual / seeds) / units if units > 1 else 0.0
    parts = np.array([0.0, by_seeds, by_units, both])
    return Spread(parts[0], parts[1], parts[2], parts[3], seeds, units, float(units - 1))


def detectable(spread: Spread, level: float, power: float) -> float | None:
    """The difference seen with `power` at an error `level` when the parts are those of `spread` (one mean); None without spread."""
    error = math.sqrt(float(spread.variance))
    if error == 0:
        return None
    critical = float(half_width(spread, level)) / error
    freedom = _satterthwaite(spread, level)
    shift = optimize.brentq(lambda d: stats.nct.sf(critical, freedom, d) - power, 0.0, 20 * critical + 20)
    return float(shift) * error


def _satterthwaite(spread: Spread, level: float) -> float:
    """Degrees of freedom of the squared half width: (a + b)^2 / (a^2/(S-1) + b^2/(C'-1)) for its seeds' and units' shares."""
    a = float(spread.by_seeds * t_quantile(level, spread.seed_freedom) ** 2)
    b = float(spread.by_units * t_quantile(level, spread.unit_freedom) ** 2)
    doubt = a * a / max(spread.seed_freedom, 1.0) + b * b / max(spread.unit_freedom, 1.0)
    return (a + b) ** 2 / doubt
