"""How often the intervals of `nearkin.statistics` miss, and how often equal methods are told apart. Prints the tables of docs/statistics.md.

Simulated studies: 15 methods that are one method under 15 names, independently trained, S seeds, C classes with 20
queries each on average. The score of method m, seed s on query q of class c is a function of

    z = mean + shared[c] + shared[q] + seed[m, s] + class[m, c] + both[m, s, c] + noise[m, s, q]

a hit (z > 0) or a graded score in (0, 1), the normal distribution function of z (as an AP is graded). No method is better
on average over classes and seeds, so every claim is false and every interval of a difference should hold 0.

    python benchmarks/calibration.py --studies 400 --seed 0
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import special

from nearkin.core import derived_seed
from nearkin.statistics import against_baseline, all_pairs, holm, interval, resample

Array = np.ndarray
METHODS = 15
QUERIES_PER_CLASS = 20


@dataclass(frozen=True)
class World:
    """Standard deviations, in units of the noise of one query in one run, and the mean of z."""

    name: str
    seed: float = 0.0
    by_class: float = 0.0
    both: float = 0.0
    mean: float = 1.3
    uneven: bool = False


WORLDS = (
    World("no effects"),
    World("seeds matter", seed=0.3, both=0.1),
    World("classes matter", by_class=0.5, both=0.1),
    World("both matter", seed=0.2, by_class=0.4, both=0.2),
    World("both, class sizes uneven", seed=0.2, by_class=0.4, both=0.2, uneven=True),
    World("nearly solved", seed=0.1, by_class=0.2, both=0.1, mean=3.5),
)
SHARED_CLASS, SHARED_QUERY = 0.5, 1.0


def study(world: World, seeds: int, classes: int, score: str, rng: np.random.Generator) -> tuple[Array, Array]:
    """Scores (methods, S, Q) of one study and the class of each query (Q,)."""
    sizes = np.full(classes, QUERIES_PER_CLASS)
    if world.uneven:
        sizes = np.maximum(2, np.round(QUERIES_PER_CLASS * rng.lognormal(0.0, 0.8, classes))).astype(int)
    labels = np.repeat(np.arange(classes), sizes)
    normal = rng.standard_normal
    z = world.mean + SHARED_CLASS * normal(classes)[labels] + SHARED_QUERY * normal(len(labels))
    per_class = world.by_class * normal((METHODS, 1, classes)) + world.both * normal((METHODS, seeds, classes))
    z = z + world.seed * normal((METHODS, seeds, 1)) + per_class[..., labels] + normal((METHODS, seeds, len(labels)))
    return ((z > 0).astype(float) if score == "hits" else special.ndtr(z)), labels


def true_mean(world: World, score: str) -> float:
    """The mean score over all classes, queries, seeds and noise."""
    variance = SHARED_CLASS**2 + SHARED_QUERY**2 + world.seed**2 + world.by_class**2 + world.both**2 + 1.0
    return float(special.ndtr(world.mean / np.sqrt(variance if score == "hits" else variance + 1.0)))


@dataclass
class Tally:
    """Counts of misses and of false claims over studies."""

    intervals: int = 0
    misses: int = 0
    studies: int = 0
    false: int = 0

    def add(self, misses: int, intervals: int, false: bool) -> None:
        self.misses += misses
        self.intervals += intervals
        self.studies += 1
        self.false += false

    def __str__(self) -> str:
        missed = f"{100 * self.misses / self.intervals:.1f}" if self.intervals else "-"
        return f"{missed} / {100 * self.false / self.studies:.1f}"


def by_nearkin(scores: Array, labels: Array, rng: np.random.Generator) -> tuple[int, int, bool]:
    """`against_baseline`: misses of the intervals, their number, and whether anything is claimed."""
    found = against_baseline({str(m): scores[m] for m in range(METHODS)}, labels, baseline="0").values()
    misses = sum(not one.low <= 0 <= one.high for one in found)
    return misses, METHODS - 1, any(one.claimed for one in found)


def by_pairs(scores: Array, labels: Array, rng: np.random.Generator) -> tuple[int, int, bool]:
    """`all_pairs`: simultaneous intervals, so one miss of any is a false claim."""
    found = all_pairs({str(m): scores[m] for m in range(METHODS)}, labels).values()
    misses = sum(not one.low <= 0 <= one.high for one in found)
    return misses, len(found), any(one.claimed for one in found)


def by_percentiles(scores: Array, labels: Array, rng: np.random.Generator) -> tuple[int, int, bool]:
    """The plain bootstrap of classes and seeds together: 2.5 % and 97.5 % percentiles, tail shares for Holm."""
    drawn = resample(scores[1:] - scores[:1], labels, rng=rng, resamples=2000)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
    tail = np.minimum((drawn <= 0).mean(1), (drawn >= 0).mean(1))
    adjusted = holm(list(np.minimum(1.0, 2 * tail)))
    return int(((low > 0) | (high < 0)).sum()), METHODS - 1, min(adjusted) <= 0.05


def by_seeds_alone(scores: Array, labels: Array, rng: np.random.Generator) -> tuple[int, int, bool]:
    """The paired t-test over the seeds' means, as if these classes were all there are."""
    found = against_baseline({str(m): scores[m].mean(-1) for m in range(METHODS)}, None, baseline="0").values()
    misses = sum(one.low is not None and not one.low <= 0 <= one.high for one in found)
    return misses, METHODS - 1, any(one.claimed for one in found)


PROCEDURES: dict[str, Callable[[Array, Array, np.random.Generator], tuple[int, int, bool]]] = {
    "nearkin": by_nearkin,
    "all pairs": by_pairs,
    "percentiles": by_percentiles,
    "seeds alone": by_seeds_alone,
}


def cells(seeds: list[int], classes: list[int]) -> Iterator[tuple[World, str, int, int]]:
    """Every world, score, number of seeds and of classes."""
    yield from product(WORLDS, ("hits", "graded"), seeds, classes)


def row(world: World, score: str, seeds: int, classes: int, studies: int, seed: int) -> list[str]:
    """One line of the table: the procedures' tallies and the misses of single methods' intervals."""
    rng = np.random.default_rng(derived_seed(seed, world.name, score, seeds, classes))
    tallies = {name: Tally() for name in PROCEDURES}
    missed, truth = 0, true_mean(world, score)
    for _ in range(studies):
        scores, labels = study(world, seeds, classes, score, rng)
        for name, procedure in PROCEDURES.items():
            tallies[name].add(*procedure(scores, labels, rng))
        one = interval(scores[0], labels)
        missed += not one.low <= truth <= one.high
    return [world.name, score, str(seeds), str(classes), *map(str, tallies.values()), f"{100 * missed / studies:.1f}"]


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=400, help="simulated studies for each line")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 5, 10])
    parser.add_argument("--classes", type=int, nargs="+", default=[2, 5, 10, 100])
    given = parser.parse_args()
    started = time.perf_counter()
    head = ["world", "score", "S", "C", *PROCEDURES, "one method"]
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for cell in cells(given.seeds, given.classes):
        print(f"| {' | '.join(row(*cell, given.studies, given.seed))} |", flush=True)
    print(f"\n{given.studies} studies a line, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
