"""Otsu's threshold: the cut of a set of distances that parts it into two with the most variance between [EVA-5]."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, integer
from nearkin.decision.pairs import Counts

Array: TypeAlias = NDArray[np.float64]

BINS = 4096
"""Fewest bins of a histogram: with fewer, the threshold is that of the bins."""

EQUAL = 1e-12
"""Share of the largest variance below which two are equal."""


def otsu(distances: Array, weights: Array) -> tuple[float, float]:
    """Otsu's threshold and its variance between the two parts.

    Equation: t maximises w0 w1 (mu0 - mu1)^2, weights of total 1, over the midpoints of neighbouring distinct distances;
              the first of equal maxima
    Shapes:   distances (T,) ascending and distinct, weights (T,) at least 0
    Assumes:  two parts of comparable weight. A part of share q at a distance D from the mean of a normal one of deviation
              s is found only if q (1 - q) D^2 > (2/pi) s^2; at 0.09 % positive pairs that is D > 27 s
    Errors:   InputError where fewer than two distances have weight
    Source:   Otsu 1979; document 002 section 4.2

    >>> otsu(np.array([0.0, 1.0, 8.0, 9.0]), np.ones(4))
    (4.5, 16.0)
    """
    there = weights > 0
    values, weights = distances[there], weights[there] / weights.sum() if there.any() else weights[there]
    if len(values) < 2:
        raise InputError("Otsu's threshold needs two different distances; all of these are equal")
    centred = values - values @ weights
    below, above = np.cumsum(weights)[:-1], np.cumsum(weights[::-1])[::-1][1:]  # not 1 - below: few may lie above
    moment = np.cumsum(weights * centred)[:-1]
    between = moment**2 / (below * above)
    place = int(np.argmax(between >= between.max() * (1 - EQUAL)))
    return float((values[place] + values[place + 1]) / 2), float(between[place])


def binned(counts: Counts, bins: int = BINS) -> Counts:
    """The same pairs by the middles of equal bins over their range; empty bins are left out.

    Errors:  InputError for fewer than 4,096 bins, which would quantise a threshold
    """
    number = integer("bins", bins, minimum=1)
    if number < BINS:
        raise InputError(f"bins must be at least {BINS}, got {bins}: too few bins quantise the threshold")
    low, high = float(counts.distances[0]), float(counts.distances[-1])
    width = (high - low) / number or 1.0
    place = np.minimum(((counts.distances - low) / width).astype(np.int64), number - 1)
    positives: Array = np.bincount(place, counts.positives, minlength=number).astype(np.float64)
    negatives: Array = np.bincount(place, counts.negatives, minlength=number).astype(np.float64)
    some = np.flatnonzero(positives + negatives)
    middles = np.asarray(low + (some + 0.5) * width, dtype=np.float64)
    return Counts(middles, positives[some], negatives[some])
