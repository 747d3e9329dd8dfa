"""Two-way random effects, seeds x units: how much of the spread of a mean comes from each.

Model:     y[s, c] = mean + a[s] + b[c] + e[s, c]
Parts:     seeds  A = S-1 spread of the seeds' means:              A = sum_s (m[s] - m)^2 / (S (S-1)),  E A = (seed + residual/C)/S
           units  B = the jackknife over units (exact for equal sizes): E B = (unit + residual/S)/C
           both   G = the interaction:                                E G = residual/(S C)
Variance:  A + B counts the residual twice, so V = max(A, B, A + B - G)
Freedom:   S-1 for the seeds; C'-1 for the units, at least 1, with C' = (sum n)^2 / sum n^2 the number of units of equal
           size that would weigh as much (C' = C for equal sizes)
Source:    Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007 (the variance that resampling both ways
           estimates); the divisors S-1 and C-1 are those of the analysis of variance, where resampling has S and C
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nearkin.statistics.cells import Array, Cells
from nearkin.statistics.records import Components


@dataclass(frozen=True)
class Spread:
    """Mean (...), its variance by part (...), and the degrees of freedom of the parts."""

    mean: Array
    by_seeds: Array
    by_units: Array
    by_both: Array
    seeds: int
    units: int
    unit_freedom: float

    @property
    def seed_freedom(self) -> float:
        return float(self.seeds - 1)

    @property
    def variance(self) -> Array:
        """V, the variance of the mean; with one seed the units' part alone."""
        both: Array = np.maximum(np.maximum(self.by_seeds, self.by_units), self.by_seeds + self.by_units - self.by_both)
        return both

    def at(self, place: int) -> Spread:
        """The spread of one of the means."""
        parts = np.stack([self.mean, self.by_seeds, self.by_units, self.by_both])[:, place]
        return Spread(parts[0], parts[1], parts[2], parts[3], self.seeds, self.units, self.unit_freedom)

    def components(self) -> Components:
        """Variance components per (seed, unit) cell, each at least 0; of a single mean (see `at`)."""
        residual = float(self.by_both) * self.seeds * self.units
        seed = max(0.0, float(self.by_seeds) * self.seeds - residual / self.units)
        unit = max(0.0, float(self.by_units) * self.units - residual / self.seeds)
        return Components(seed, unit, residual)


def spread_of(cells: Cells) -> Spread:
    """Parts of the variance of every mean in `cells`. One seed: the seeds' parts are 0. One unit: the units' parts are 0."""
    totals, sizes, seeds, units = cells.totals, cells.sizes, cells.seeds, cells.units
    queries = sizes.sum()
    mean = cells.mean
    zero = np.zeros_like(mean)
    seed_deviation = totals.sum(-1) / queries - mean[..., None]
    influence = np.zeros_like(totals)
    if units > 1:
        share = sizes / queries
        influence = (totals - mean[..., None, None] * sizes) * ((units - 1) / (queries * (1 - share)))
        influence -= influence.mean(-1, keepdims=True)
    unit_deviation = influence.mean(-2)
    both = influence - unit_deviation[..., None, :]
    by_seeds = (seed_deviation**2).sum(-1) / (seeds * (seeds - 1)) if seeds > 1 else zero
    by_units = (unit_deviation**2).sum(-1) / (units * (units - 1)) if units > 1 else zero
    by_both = zero
    if seeds > 1 and units > 1:
        by_both = (both**2).sum((-2, -1)) / (seeds * units * (seeds - 1) * (units - 1))
    freedom = max(1.0, float(queries**2 / (sizes**2).sum()) - 1.0) if units > 1 else 0.0
    return Spread(mean, by_seeds, by_units, by_both, seeds, units, freedom)
