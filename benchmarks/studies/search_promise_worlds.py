"""Bounds that a promise of a search could be made with, and how often each is kept where the truth is known.

In these simulated worlds a photo of an unknown class lies at a distance that is uniform over all photos, so the true share at
a threshold is the threshold; photos of a class go together more or less, and some classes are doubles of enrolled ones, of
which all photos are accepted or none. `search_promise.py` holds the same bounds against drawings.

    python benchmarks/studies/search_promise_worlds.py --redraws 500
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special, stats

from nearkin.core import derived_seed
from nearkin.decision.promise import promise

Array = np.ndarray
ALPHA, RESAMPLES = 0.05, 1000


class Case(NamedTuple):
    """What a bound is judged by: shares of each class at each threshold (T, C), photos a class, classes of the test."""

    shares: Array
    rate: float
    photos: int
    fresh: int
    rng: np.random.Generator


def quantile(case: Case) -> Array:
    return case.shares.mean(1) <= case.rate


def binomial(case: Case) -> Array:
    """Clopper-Pearson's bound over photos, as if they were independent."""
    trials = case.shares.shape[1] * case.photos
    hits = np.round(case.shares.mean(1) * trials)
    return special.betaincinv(hits + 1, np.maximum(trials - hits, 1e-9), 1 - ALPHA) <= case.rate


def class_bootstrap(case: Case) -> Array:
    classes = case.shares.shape[1]
    weights = case.rng.multinomial(classes, np.full(classes, 1 / classes), size=RESAMPLES) / classes
    return np.quantile(case.shares @ weights.T, 1 - ALPHA, axis=1) <= case.rate


def bca(case: Case) -> Array:
    """The bootstrap over classes, corrected for bias and skewness (Efron 1987)."""
    classes, mean = case.shares.shape[1], case.shares.mean(1, keepdims=True)
    weights = case.rng.multinomial(classes, np.full(classes, 1 / classes), size=RESAMPLES) / classes
    drawn = case.shares @ weights.T
    bias = stats.norm.ppf(np.clip((drawn < mean).mean(1) + (drawn == mean).mean(1) / 2, 1e-3, 1 - 1e-3))
    moved = case.shares - mean
    skew = (moved**3).sum(1) / (6 * np.maximum((moved**2).sum(1), 1e-12) ** 1.5)
    z = bias + stats.norm.ppf(1 - ALPHA)
    levels = stats.norm.cdf(bias + z / (1 - skew * z))
    return np.array([np.quantile(row, level) for row, level in zip(drawn, levels)]) <= case.rate


def student(case: Case) -> Array:
    classes = case.shares.shape[1]
    error = case.shares.std(1, ddof=1) / classes**0.5
    return case.shares.mean(1) + stats.t.ppf(1 - ALPHA, classes - 1) * error <= case.rate


def hall(case: Case) -> Array:
    """Student's statistic with Hall's cubic correction of skewness (1992)."""
    classes, mean = case.shares.shape[1], case.shares.mean(1)
    spread = np.maximum(case.shares.std(1), 1e-12)
    skew = ((case.shares - mean[:, None]) ** 3).mean(1) / spread**3
    t = (mean - case.rate) / spread
    bent = t + skew / 3 * t**2 + skew**2 / 27 * t**3 + skew / (6 * classes)
    return (classes**0.5 * bent <= -stats.norm.ppf(1 - ALPHA)) & (mean < case.rate)


def effective(case: Case, more: float = 0.0) -> Array:
    """Clopper-Pearson's bound with the effective number of photos (Korn and Graubard 1998); `more`: variance of the test."""
    classes, mean = case.shares.shape[1], case.shares.mean(1)
    variance = case.shares.var(1, ddof=1) * (1 / classes + more)
    size = np.where(variance > 0, mean * (1 - mean) / np.maximum(variance, 1e-300), classes)
    size = (
        np.minimum(size, classes * case.photos) * (stats.norm.ppf(1 - ALPHA) / stats.t.ppf(1 - ALPHA, classes - 1)) ** 2
    )
    size = np.where(mean == 0, classes, size)
    return special.betaincinv(mean * size + 1, np.maximum(size - mean * size, 1e-9), 1 - ALPHA) <= case.rate


def predictive(case: Case) -> Array:
    """As `effective`, for the share among as many fresh classes as will be tested."""
    return effective(case, 1 / case.fresh)


def betting(case: Case) -> Array:
    """A bettor against the rate, all bets equal (Waudby-Smith and Ramdas 2024): valid for finite samples."""
    classes, rate = case.shares.shape[1], case.rate
    stake = min(1 / (1 - rate), np.sqrt(2 * np.log(1 / ALPHA) / (classes * 0.15 * rate)))
    return np.log(np.maximum(1 + stake * (rate - case.shares), 1e-300)).sum(1) >= np.log(1 / ALPHA)


def hoeffding_bentkus(case: Case) -> Array:
    """The bound that risk-controlling prediction sets use (Bates et al. 2021)."""
    classes, rate = case.shares.shape[1], case.rate
    mean = np.clip(case.shares.mean(1), 1e-12, rate)
    divergence = mean * np.log(mean / rate) + (1 - mean) * np.log((1 - mean) / (1 - rate))
    return (
        np.minimum(np.exp(-classes * divergence), np.e * stats.binom.cdf(np.ceil(classes * mean), classes, rate))
        <= ALPHA
    )


RIVALS: dict[str, Callable[[Case], Array]] = {
    "quantile": quantile,
    "binomial over photos": binomial,
    "class bootstrap": class_bootstrap,
    "class bootstrap, BCa": bca,
    "Student's t": student,
    "t, Hall's correction": hall,
    "effective photos": effective,
    "effective photos, predicting": predictive,
    "betting": betting,
    "Hoeffding-Bentkus": hoeffding_bentkus,
}
OURS = "nearkin (Gaffke)"
FEW = ("binomial over photos", "Student's t", "effective photos", "effective photos, predicting", OURS)


def thresholds(
    unknown: Array, rate: float, fresh: int, rng: np.random.Generator, names: tuple[str, ...]
) -> dict[str, float]:
    """The threshold of each method from distances (C, n): the largest below the first at which its bound exceeds the rate."""
    classes, photos = unknown.shape
    found = (
        {OURS: promise(unknown.ravel(), np.repeat(np.arange(classes), photos), rate).threshold} if OURS in names else {}
    )
    order = np.argsort(unknown, axis=None, kind="stable")[: int(1.05 * rate * unknown.size) + 3]
    values = unknown.ravel()[order]
    shares = np.zeros((len(order) + 1, classes))
    shares[np.arange(1, len(order) + 1), order // photos] = 1 / photos
    case = Case(shares.cumsum(0), rate, photos, fresh, rng)
    for name in names:
        if name != OURS:
            holds = RIVALS[name](case)
            holds[0] = True
            found[name] = float(np.nextafter(values[min(int(np.argmin(holds)), len(values)) - 1], -np.inf))
    return found


def worlds(count: int) -> None:
    """Promises held against the true share, which is known: classes that go together more and more."""
    print("\n| world | classes | promised | " + " | ".join(FEW) + " |\n| --- | --- | --- |" + " --- |" * len(FEW))
    for title, together, rare, classes, rate in (
        ("photos of a class a little alike", 0.2, 0.0, 150, 0.05),
        ("alike", 0.5, 0.0, 150, 0.05),
        ("nearly the same", 0.9, 0.0, 150, 0.05),
        ("alike", 0.5, 0.0, 60, 0.05),
        ("alike", 0.5, 0.0, 400, 0.01),
        ("4 % of the classes are doubles of enrolled ones", 0.3, 0.04, 150, 0.05),
        ("4 % of the classes are doubles of enrolled ones", 0.3, 0.04, 60, 0.05),
        ("0.9 % are doubles", 0.3, 0.009, 300, 0.01),
    ):
        held: dict[str, list[bool]] = {name: [] for name in FEW}
        for number in range(count):
            rng = np.random.default_rng(derived_seed(3, title, classes, number))
            shared, own = rng.standard_normal((classes, 1)), rng.standard_normal((classes, 20))
            distances = stats.norm.cdf(together**0.5 * shared + (1 - together) ** 0.5 * own)
            doubles, near = rng.random(classes) < rare, 0.002
            distances[doubles] = near * (rng.random((doubles.sum(), 1)) + 1e-6 * rng.random((doubles.sum(), 20)))
            for name, limit in thresholds(distances, rate, 300, rng, FEW).items():
                true = (1 - rare) * max(limit, 0.0) + rare * min(max(limit, 0.0) / near, 1.0)
                held[name].append(true <= rate)
        cells = " | ".join(f"{100 * np.mean(each):.1f}" for each in held.values())
        print(f"| {title} | {classes} | {rate:.0%} | {cells} |", flush=True)


def main() -> None:
    """Print the table of the worlds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redraws", type=int, default=500)
    given = parser.parse_args()
    worlds(given.redraws)
    print(f"\n{time.process_time():.0f} s of CPU")


if __name__ == "__main__":
    main()
