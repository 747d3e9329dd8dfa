"""Two-way random effects, seeds x units: how much of the spread of a mean comes from each.

Model:     y[s, c] = mean + a[s] + b[c] + e[s, c]; units are classes, groups or queries
Parts:     seeds  A = sum_s (m[s] - m)^2 / (S (S - 1)),         E A = (seed + residual/C)/S
           units  B = sum_c v[c]^2 / (C (C - 1)),               E B = (unit + residual/S)/C
           both   G = sum_sc g[s, c]^2 / (S C (S - 1)(C - 1)),  E G = residual/(S C)
           m[s] are the seeds' means; v[c] says how far unit c pulls the mean, from leaving it out (the jackknife, which
           allows for units of unequal size); g is what neither explains
Variance:  A + B counts the residual twice, so V = max(A, B, A + B - G)
Freedom:   S - 1 for the seeds; C' - 1 for the units, at least 1, with C' = (sum n)^2 / sum n^2 the number of equally
           large units that would weigh as much (C' = C for equal sizes)
Source:    Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007: resampling both ways estimates
           (S-1)/S A + (C-1)/C B + (S-1)(C-1)/(S C) G; here the divisors are those of the analysis of variance
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nearkin.statistics.cells import Array, Cells
from nearkin.statistics.records import Components

_ROUNDING = 1e-12  # a deviation below this share of the largest cell is rounding, not spread


@dataclass(frozen=True)
class Spread:
    """Means (...), the parts of their variances (...), and the counts behind them."""

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
        whole: Array = np.maximum(np.maximum(self.by_seeds, self.by_units), self.by_seeds + self.by_units - self.by_both)
        return whole

    @property
    def still(self) -> bool:
        """Whether nothing differs from seed to seed, though there are several: raw pixels, or a method against itself."""
        return self.seeds > 1 and not (np.any(self.by_seeds) or np.any(self.by_both))

    def at(self, place: int) -> Spread:
        """The spread of one of the means."""
        parts = np.stack([self.mean, self.by_seeds, self.by_units, self.by_both])[:, place]
        return Spread(parts[0], parts[1], parts[2], parts[3], self.seeds, self.units, self.unit_freedom)

    def at_least_residual(self) -> Spread:
        """The spread with the seeds' and the units' parts at least the residual's, below which only chance takes them."""
        by_seeds, by_units = np.maximum(self.by_seeds, self.by_both), np.maximum(self.by_units, self.by_both)
        return replace(self, by_seeds=by_seeds, by_units=by_units)

    def components(self) -> Components:
        """Variance components per (seed, unit) cell, each at least 0; of a single mean (see `at`)."""
        residual = float(self.by_both) * self.seeds * self.units
        seed = max(0.0, float(self.by_seeds) * self.seeds - residual / self.units)
        unit = max(0.0, float(self.by_units) * self.units - residual / self.seeds)
        return Components(seed, unit, residual)


def spread_of(cells: Cells) -> Spread:
    """Parts of the variance of every mean in `cells`. One seed: the seeds' parts are 0. One unit: the units' parts are 0."""
    seeds, units, mean = cells.seeds, cells.units, cells.mean
    by_seeds = by_units = by_both = np.zeros_like(mean)
    if seeds > 1:
        seed_means = cells.totals.sum(-1) / cells.queries
        by_seeds = ((seed_means - mean[..., None]) ** 2).sum(-1) / (seeds * (seeds - 1))
    if units > 1:
        pull = _pull(cells)
        unit_pull = pull.mean(-2)
        by_units = (unit_pull**2).sum(-1) / (units * (units - 1))
        if seeds > 1:
            left = pull - unit_pull[..., None, :]
            by_both = (left**2).sum((-2, -1)) / (seeds * units * (seeds - 1) * (units - 1))
    rounding = (_ROUNDING * np.abs(cells.totals / cells.sizes).max((-2, -1))) ** 2
    parts = [np.where(part <= rounding, 0.0, part) for part in (by_seeds, by_units, by_both)]
    return Spread(mean, parts[0], parts[1], parts[2], seeds, units, _unit_freedom(cells.sizes))


def _pull(cells: Cells) -> Array:
    """(C - 1) (t[s, c] - m[s] n[c]) / (N - n[c]), centred in each seed: a unit's pull on each seed's mean."""
    away = cells.totals - (cells.totals.sum(-1, keepdims=True) / cells.queries) * cells.sizes
    pull: Array = away * ((cells.units - 1) / (cells.queries - cells.sizes))
    pull -= pull.mean(-1, keepdims=True)
    return pull


def _unit_freedom(sizes: Array) -> float:
    return max(1.0, float(sizes.sum() ** 2 / (sizes**2).sum()) - 1.0) if len(sizes) > 1 else 0.0
