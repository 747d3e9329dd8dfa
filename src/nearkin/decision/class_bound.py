"""An upper bound of a share over classes whose members go together: Gaffke's bound of the mean of bounded numbers.

A class of n photos of which a are accepted says a / n once, not n times. What classes beyond those seen may be like is not
known, so one more class is reckoned with, as large as the largest, of which every photo is accepted. The classes' weights
are drawn as the Bayesian bootstrap draws them; the bound is the rate below which the share so lies with the confidence.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[np.float64]

STEPS = np.arange(0.0, 13.0, 0.04)
"""Places of the quadrature, in units of the inverse hyperbolic sine."""

HALVINGS = 50


class Classes(NamedTuple):
    """Classes with the same numbers, counted once.

    Shapes:  accepted, photos (U,) numbers of a class; times (U,) for how many classes they stand
    """

    accepted: Array
    photos: Array
    times: Array

    @property
    def share(self) -> float:
        """Accepted photos among all."""
        return float((self.times * self.accepted).sum() / (self.times * self.photos).sum())


def classes_of(accepted: ArrayLike, photos: ArrayLike) -> Classes:
    """`Classes` of numbers of each class, (C,) and (C,)."""
    pairs = np.stack([np.asarray(accepted, dtype=np.float64), np.asarray(photos, dtype=np.float64)])
    distinct, times = np.unique(pairs, axis=1, return_counts=True)
    return Classes(distinct[0], distinct[1], times.astype(np.float64))


def doubt(classes: Classes, rate: float, independent: float = 1.0) -> float:
    """How well the classes go with a true share of `rate` or more; at most 1 - confidence supports a promise of `rate`.

    Equation:  P(sum_c G_c w_c (a_c / n_c - R) + E (1 - R) >= 0),  w_c = n_c / max n, G_c ~ Gamma(kappa), E ~ Exponential
    Units:     a_c accepted of n_c photos of class c; R `rate`; kappa `independent`
    Classes:   wholly accepted or not at all and of one size, k of C: the binomial P(X <= k), X of (C, R), as
               Clopper-Pearson's bound has it. None accepted: (1 - R)^C. It falls with R and grows with every a_c
    kappa:     how many independent classes a class counts for, above 0 and at most 1
    Computed:  by the contour integral of exp(K(s)) / s, K the cumulant function, through its saddle point; within 1e-6.
               1 where the saddle point does not lie above 0, that is, where the doubt is not below about a third
    Source:    Gaffke, Three test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative
               variable, 2004; Learned-Miller and Thomas, A new confidence interval for the mean of a bounded random
               variable, 2019. Exact for classes that are accepted wholly or not at all; that it holds for every distribution
               of shares is conjectured, with no counterexample known
    """
    weights = classes.photos / classes.photos.max()
    values = np.append(weights * (classes.accepted / classes.photos - rate), 1 - rate)
    shapes = np.append(independent * classes.times, 1.0)
    if float(shapes @ values) >= 0:
        return 1.0
    place = _saddle(values, shapes)
    curvature = float(shapes @ np.square(values / (1 - place * values)))
    unit = min(place, 1 / math.sqrt(curvature))
    points = place + 1j * unit * np.sinh(STEPS)
    cumulant = -(shapes[:, None] * np.log(1 - points * values[:, None])).sum(0)
    parts = (np.exp(cumulant) / points).real * np.cosh(STEPS)
    total = float(parts.sum() - parts[0] / 2) * unit * float(STEPS[1]) / math.pi
    return min(1.0, max(0.0, total))


def upper_bound(classes: Classes, confidence: float, independent: float = 1.0) -> float:
    """The smallest share whose `doubt` is at most 1 - `confidence`, rounded up by less than 1e-12."""
    low, high = classes.share, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if doubt(classes, middle, independent) <= 1 - confidence:
            high = middle
        else:
            low = middle
    return high


def _saddle(values: Array, shapes: Array) -> float:
    """Where the cumulant function is least, between 0 and its pole: its slope grows from below 0 to infinity."""
    low, high = 0.0, 1 / float(values.max())
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if float(shapes @ (values / (1 - middle * values))) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
