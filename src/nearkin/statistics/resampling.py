"""Resampling of classes and seeds together, drawn: to look at a distribution, and to hold the closed form against."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from nearkin.core import integer
from nearkin.statistics.cells import Array, cells_of, score_rows


def resample(values: ArrayLike, classes: ArrayLike, *, rng: np.random.Generator, resamples: int = 2000) -> Array:
    """Means of `resamples` studies drawn from this one: seeds with replacement and classes with replacement.

    Equation:  mean = sum_sc u[s] v[c] t[s, c] / (S sum_c v[c] n[c])
    Words:     u[s] and v[c] say how often seed s and class c were drawn, t the sum of the scores over the n queries of c
    Shapes:    values (S, Q) or (M, S, Q) for M methods that share each draw; classes (Q,) -> (resamples,) or (M, resamples)
    Caution:   its percentiles are no interval for few seeds: with three, the same seed is drawn three times in one study
               of nine, and up to a quarter of its 95 % intervals miss (docs/statistics.md). `interval` and `difference`
               use the same variance in closed form with the right divisors and quantiles
    Source:    Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007
    """
    integer("resamples", resamples, minimum=1)
    several = np.ndim(values) == 3
    tables = [score_rows("values", table) for table in np.asarray(values)] if several else [score_rows("values", values)]
    cells = cells_of(tables, classes)
    seeds = rng.multinomial(cells.seeds, np.full(cells.seeds, 1 / cells.seeds), size=resamples)
    units = rng.multinomial(cells.units, np.full(cells.units, 1 / cells.units), size=resamples).astype(np.float64)
    drawn = np.einsum("msc,rc->mrs", cells.totals, units, optimize=True)
    means: Array = np.einsum("mrs,rs->mr", drawn, seeds) / (cells.seeds * (units @ cells.sizes))
    return means if several else means[0]
