"""How often the intervals of `nearkin.statistics` miss, and how often equal methods are told apart. Prints the tables of docs/statistics.md.

Simulated studies: 15 methods that are one method under 15 names, independently trained, S seeds, C classes with 20
queries each on average. The score of method m, seed s on query q of class c is a function of

    z = mean + shared[c] + shared[q] + seed[m, s] + class[m, c] + both[m, s, c] + noise[m, s, q]

a hit (z > 0) or a graded score in (0, 1), the normal distribution function of z (as an AP is graded). No method is better
on average over classes and seeds, so every claim is false and every interval of a difference should hold 0.

    python benchmarks/studies/calibration.py --studies 200 --seeds 1 2 3 5 10 --classes 2 5 10 100
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import special

from nearkin.core import derived_seed
from nearkin.statistics import Difference, against_baseline, all_pairs, holm, interval, resample

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


@dataclass(frozen=True)
class Outcome:
    """What one procedure said of one study: how many intervals miss the truth, of how many, and whether anything is claimed."""

    misses: int
    intervals: int
    false: bool


Procedure = Callable[[Array, Array, np.random.Generator], Outcome]


def by_nearkin(scores: Array, labels: Array, rng: np.random.Generator) -> Outcome:
    """`against_baseline`: 95 % intervals of single differences, claims after Holm."""
    return outcome(against_baseline(named(scores), labels, baseline="0").values())


def by_pairs(scores: Array, labels: Array, rng: np.random.Generator) -> Outcome:
    """`all_pairs` of six of the methods: simultaneous intervals, so one miss of any is a false claim."""
    return outcome(all_pairs(named(scores[:6]), labels).values())


def by_percentiles(scores: Array, labels: Array, rng: np.random.Generator) -> Outcome:
    """The plain bootstrap of classes and seeds together: 2.5 % and 97.5 % percentiles, tail shares for Holm."""
    drawn = resample(scores[1:] - scores[:1], labels, rng=rng, resamples=2000)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
    tail = np.minimum((drawn <= 0).mean(1), (drawn >= 0).mean(1))
    adjusted = holm(list(np.minimum(1.0, 2 * tail)))
    return Outcome(int(((low > 0) | (high < 0)).sum()), len(low), min(adjusted) <= 0.05)


def by_seeds_alone(scores: Array, labels: Array, rng: np.random.Generator) -> Outcome:
    """The paired t-test over the seeds' means, as if these classes were all there are."""
    return outcome(against_baseline(named(scores.mean(-1)), None, baseline="0").values())


def named(scores: Array) -> dict[str, Array]:
    """The methods by name."""
    return {str(place): table for place, table in enumerate(scores)}


def outcome(found: Iterable[Difference]) -> Outcome:
    """Misses and claims of a family whose true differences are all 0."""
    found = list(found)
    misses = sum(one.low is not None and not one.low <= 0 <= one.high for one in found)
    return Outcome(misses, sum(one.low is not None for one in found), any(one.claimed for one in found))


PROCEDURES: dict[str, Procedure] = {
    "nearkin": by_nearkin,
    "all pairs": by_pairs,
    "percentiles": by_percentiles,
    "seeds alone": by_seeds_alone,
}


@dataclass(frozen=True)
class Line:
    """Shares in percent for one world, score, S and C: (missed, falsely claimed) by procedure, and single methods' misses."""

    world: str
    score: str
    seeds: int
    classes: int
    shares: dict[str, tuple[float, float]]
    one_method: float

    def __str__(self) -> str:
        told = [told_as(*self.shares[name]) for name in PROCEDURES]
        return f"| {self.world} | {self.score} | {self.seeds} | {self.classes} | {' | '.join(told)} | {self.one_method:.1f} |"


def told_as(missed: float, claimed: float) -> str:
    """Both shares; a dash where there was no interval."""
    return f"{'-' if np.isnan(missed) else f'{missed:.1f}'} / {claimed:.1f}"


def line(world: World, score: str, seeds: int, classes: int, studies: int, seed: int) -> Line:
    """Simulate `studies` studies and count."""
    rng = np.random.default_rng(derived_seed(seed, world.name, score, seeds, classes))
    outcomes: dict[str, list[Outcome]] = {name: [] for name in PROCEDURES}
    missed, truth = 0, true_mean(world, score)
    for _ in range(studies):
        scores, labels = study(world, seeds, classes, score, rng)
        for name, procedure in PROCEDURES.items():
            outcomes[name].append(procedure(scores, labels, rng))
        one = interval(scores[0], labels)
        missed += not one.low <= truth <= one.high
    shares = {name: shares_of(found) for name, found in outcomes.items()}
    return Line(world.name, score, seeds, classes, shares, 100 * missed / studies)


def shares_of(found: list[Outcome]) -> tuple[float, float]:
    """Missed intervals and studies with a false claim, in percent."""
    intervals = sum(one.intervals for one in found)
    missed = 100 * sum(one.misses for one in found) / intervals if intervals else float("nan")
    return missed, 100 * sum(one.false for one in found) / len(found)


def summary(lines: list[Line]) -> Iterator[str]:
    """By S and C: the mean over worlds and scores, and in brackets the worst of them."""
    for seeds, classes in dict.fromkeys((one.seeds, one.classes) for one in lines):
        group = [one for one in lines if (one.seeds, one.classes) == (seeds, classes)]
        told = []
        for name in PROCEDURES:
            missed, claimed = np.array([one.shares[name] for one in group]).T
            told.append(f"{told_as(missed.mean(), claimed.mean())} ({told_as(missed.max(), claimed.max())})")
        alone = [one.one_method for one in group]
        yield f"| {seeds} | {classes} | {' | '.join(told)} | {np.mean(alone):.1f} ({max(alone):.1f}) |"


def main() -> None:
    """Print both tables in Markdown: missed intervals / studies with a false claim, in percent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=40, help="simulated studies for each line")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--classes", type=int, nargs="+", default=[10])
    parser.add_argument("--scores", nargs="+", default=["hits", "graded"], choices=["hits", "graded"])
    parser.add_argument("--worlds", nargs="+", default=[world.name for world in WORLDS], metavar="NAME")
    given = parser.parse_args()
    worlds = [world for world in WORLDS if world.name in given.worlds]
    started, lines = time.perf_counter(), []
    head = [*PROCEDURES, "one method"]
    print(f"| world | score | S | C | {' | '.join(head)} |\n|{' --- |' * (len(head) + 4)}")
    for cell in product(worlds, given.scores, given.seeds, given.classes):
        lines.append(line(*cell, given.studies, given.seed))
        print(lines[-1], flush=True)
    print(f"\n| S | C | {' | '.join(head)} |\n|{' --- |' * (len(head) + 2)}")
    print("\n".join(summary(lines)))
    print(f"\n{given.studies} studies a line, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
