"""How wide the interval must be: each part of the variance with its own degrees of freedom.

Equation:  half(level)^2 = max(A tA^2 + (B - G)+ tB^2,  (A - G)+ tA^2 + B tB^2)
           A, B, G the parts of `twoway`; tA, tB the two-sided t quantiles at `level` with S-1 and C'-1 degrees of freedom
Reason:    three seeds say little about the spread between seeds, a hundred classes say much about that between classes.
           One t quantile for the sum would be far too narrow where seeds matter (with S-1 = 2 degrees of freedom and
           14 comparisons, t is 16 and not 3), or far too wide where they do not.
Source:    without the subtraction of G, Banerjee, "Approximate confidence interval for linear functions of means of k
           populations when the population variances are not equal", Sankhya 1960, which never covers less than it says
           (independent normal parts). A + B counts the residual twice; taking G off the one or the other, whichever
           leaves the wider interval, is ours, and measured: docs/statistics.md
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nearkin.statistics.cells import Array
from nearkin.statistics.special import special
from nearkin.statistics.twoway import Spread

_SMALLEST = -300.0  # natural logarithm of the smallest p-value that is told apart: 1e-130, whose t still has a square


def t_quantile(level: float | Array, freedom: float) -> Array:
    """The value that |t| exceeds with probability `level`; 0 where there are no degrees of freedom, for the part is 0 as well."""
    if freedom <= 0:
        return np.zeros_like(np.asarray(level, dtype=np.float64))
    return -np.asarray(special().stdtrit(freedom, np.asarray(level, dtype=np.float64) / 2), dtype=np.float64)


def half_width(spread: Spread, level: float | Array) -> Array:
    """Half the width of the interval at a two-sided error `level`; shape of the means.

    Without any spread every unit shows exactly the same: infinite where C units are too few for the sign test, else 0.
    """
    too_few = _flat(spread) & np.asarray(_sign_test(spread.units) > level)
    width: Array = np.where(too_few, np.inf, width_of_parts(spread, level))
    return width


def width_of_parts(spread: Spread, level: float | Array) -> Array:
    """The equation above; shape of the parts."""
    seed_square = t_quantile(level, spread.seed_freedom) ** 2
    unit_square = t_quantile(level, spread.unit_freedom) ** 2
    only_seeds = np.maximum(spread.by_seeds - spread.by_both, 0)
    only_units = np.maximum(spread.by_units - spread.by_both, 0)
    square = np.maximum(
        spread.by_seeds * seed_square + only_units * unit_square,
        only_seeds * seed_square + spread.by_units * unit_square,
    )
    width: Array = np.sqrt(square)
    return width


def two_sided_p(spread: Spread) -> Array:
    """The level at which the interval touches 0, found by bisection on its logarithm; 1 where the mean is 0.

    Without any spread, the sign test over the units.
    """
    distance = np.abs(spread.mean)
    low, high = np.full_like(distance, _SMALLEST), np.zeros_like(distance)
    for _ in range(60):
        middle = (low + high) / 2
        reaches = width_of_parts(spread, np.exp(middle)) >= distance
        low, high = np.where(reaches, middle, low), np.where(reaches, high, middle)
    p = np.where(distance == 0, 1.0, np.exp(high))
    answer: Array = np.where(_flat(spread), _sign_test(spread.units), p)
    return answer


def _flat(spread: Spread) -> NDArray[np.bool_]:
    """Where all seeds and units show exactly the same, and it is not 0."""
    return np.asarray((spread.variance == 0) & (spread.mean != 0))


def _sign_test(units: int) -> float:
    """Two-sided p-value of C units that all point the same way: 2^(1 - C)."""
    return math.ldexp(1.0, max(1 - units, -1000))
