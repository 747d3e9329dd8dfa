"""What pairs of rows say about the SNR distance: its relation to the Euclidean distance, to correlation, and its law under noise.

In numpy and float64, each pair by its own components, so that the identities hold to the last digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TINY = 1e-12
"""The smallest variance of an anchor that is divided by [SNR-1]."""


@dataclass(frozen=True)
class Measured:
    """P pairs (anchor h, compared z) with their distances; every field has shape (P,).

    euclidean    ‖z - h‖ [EUC-1]
    snr          Var(z - h) / Var(h), the variance over the components of one vector [SNR-1]
    ratio        rho = sd(z) / sd(h)
    correlation  Pearson's r of z and h over their components, from their covariance and not from a distance
    """

    euclidean: Floats
    snr: Floats
    ratio: Floats
    correlation: Floats


def measured(anchors: Floats, compared: Floats) -> Measured:
    """The distances of P pairs of rows.

    Shapes:  anchors (P, D), compared (P, D) -> P pairs
    Edge:    a row of equal components has no correlation: NaN there
    """
    anchors, compared = np.asarray(anchors, dtype=np.float64), np.asarray(compared, dtype=np.float64)
    difference = compared - anchors
    first, second = _centred(anchors), _centred(compared)
    own, other = (first**2).mean(1), (second**2).mean(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = (first * second).mean(1) / np.sqrt(own * other)
        ratio = np.sqrt(other / own)
    snr = (_centred(difference) ** 2).mean(1) / np.maximum(own, TINY)
    return Measured(np.sqrt((difference**2).sum(1)), snr, ratio, correlation)


def printed_correlation(distance: Floats) -> Floats:
    """Document 004's equation 14 as printed, right only where the difference z - h is uncorrelated with the anchor h.

    Equation:  r = 1 / sqrt(1 + d)  [SNR-4, special case]
    """
    return 1 / np.sqrt(1 + distance)


def exact_correlation(distance: Floats, ratio: Floats | float) -> Floats:
    """The relation that holds for every pair with variance.

    Equation:  r = (1 + rho^2 - d) / (2 rho), rho = sd(z) / sd(h)  [SNR-4]
    """
    correlation: Floats = (1 + np.square(ratio) - distance) / (2 * np.asarray(ratio))
    return correlation


def uncorrelated(noise: Floats, anchors: Floats) -> Floats:
    """The noise without what is correlated with its anchor over the components.

    Equation:  n - (c'n / c'c) c, c = h - mean(h)
    Shapes:    noise (P, D), anchors (P, D) -> (P, D)
    """
    centred = _centred(anchors)
    share = (centred * noise).sum(1) / (centred**2).sum(1)
    left: Floats = noise - share[:, None] * centred
    return left


def noise_density(distance: Floats, variance: float, dimensions: int) -> Floats:
    """The exact density of d(h, h + n) for h ~ N(0, 1) and n ~ N(0, s^2), independent, in D components.

    Equation:  d / s^2 is a ratio of two independent chi-squares of k = D - 1 degrees: F(k, k), with the density
               f(x) = x^(k/2 - 1) / ((1 + x)^k B(k/2, k/2)). Its median is 1 and its mean k / (k - 2): the median of d is
               s^2, its mean (D - 1)/(D - 3) times as much
    Shapes:    distance (P,) above 0 -> (P,)
    """
    half = (dimensions - 1) / 2
    x = distance / variance
    log = (half - 1) * np.log(x) - 2 * half * np.log1p(x) + lgamma(2 * half) - 2 * lgamma(half)
    density: Floats = np.exp(log) / variance
    return density


def rank_correlation(first: Floats, second: Floats) -> float:
    """Spearman's: Pearson's correlation of the ranks, equal values at their mean rank; 0 where one of them is constant."""
    a, b = (_ranks(values) for values in (first, second))
    spread = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum() / spread) if spread else 0.0


def equal_but_different(same: Floats, other: Floats, tolerance: float = 0.01) -> tuple[int, int] | None:
    """The two items whose `same` values differ by at most a share `tolerance` and whose `other` values by the largest factor.

    Returns their indices, the smaller `other` value first; None where no two are so near. Ties: lowest indices.
    """
    near = np.abs(same[:, None] - same[None]) <= tolerance * np.minimum(same[:, None], same[None])
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(near & (other[:, None] > 0), other[None] / other[:, None], 0.0)
    if not factor.size or factor.max() <= 1:
        return None
    low, high = np.unravel_index(int(factor.argmax()), factor.shape)
    return int(low), int(high)


def _centred(rows: Floats) -> Floats:
    centred: Floats = rows - rows.mean(1, keepdims=True)
    return centred


def _ranks(values: Floats) -> Floats:
    """Centred ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    ranks: Floats = mean_rank[place] - (len(values) + 1) / 2
    return ranks
