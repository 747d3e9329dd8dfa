"""What a benchmark is, and how it is checked and timed: contenders interleaved in one process, medians, ratios.

A case makes its contenders from fixed seeds. Each contender answers with named numbers or tensors (a loss: its value and
its gradient); the answers are held against an oracle before any clock runs. Time is CPU time of one thread; the cost of
ours against a contender is the median, over the rounds in which both ran, of ours / theirs.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from placement import clock as device_clock
from threadpoolctl import threadpool_limits
from torch import Tensor

OURS = "nearkin"
PML = "pytorch-metric-learning"
OML = "open-metric-learning"

Answer = Mapping[str, Tensor | float]

ROUNDS = 7
"""Runs that a median is taken of."""

SLOW = {1: 5.0, 2: 0.5}
"""By threads, seconds of one run above which a contender runs `SLOW_ROUNDS` times only."""

SLOW_ROUNDS = 3

ENDLESS = 15.0
"""Seconds of one run above which a contender runs once: its first run counts."""

SAMPLE = 0.02
"""Seconds that a timed sample lasts at least: a fast contender runs several times in it."""


@dataclass(frozen=True)
class Contender:
    """One way to compute the case's answer.

    kind: "ours", "peer" (another library, or plain torch) or "floor" (the bare arithmetic below which nothing goes)
    peak: whether the memory of it is measured, in a process of its own
    unlike: its definition is another one: it is timed, and its answer is not held against the oracle
    """

    name: str
    run: Callable[[], Answer]
    kind: str = "peer"
    peak: bool = False
    unlike: bool = False


@dataclass(frozen=True)
class Setup:
    """A case made ready: its contenders, what the right answer is, and what to say of contenders left out."""

    contenders: Sequence[Contender]
    oracle: Callable[[], Answer] | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Target:
    """A promise about one number of a row.

    fact: "faster" (times of `against` / ours), "cost" (ours / `against`), "memory" (MB of ours), "leaner" (memory of
          `against` / ours), "error" (the largest relative error of ours)
    """

    fact: str
    limit: float
    against: str = ""

    @property
    def words(self) -> str:
        return {
            "faster": f"at least {self.limit:g}x faster than {self.against}",
            "cost": f"at most {self.limit:g}x {self.against}",
            "memory": f"at most {self.limit:g} MB",
            "leaner": f"at most 1/{self.limit:g} of the memory of {self.against}",
            "error": f"error at most {self.limit:g}",
        }[self.fact]

    def met_by(self, value: float) -> bool:
        return value >= self.limit if self.fact in ("faster", "leaner") else value <= self.limit


@dataclass(frozen=True)
class Case:
    """A benchmark: `make(small)` gives its Setup, at full size or tiny (to warm up a process before memory is measured).

    tolerance: relative error of ours against the oracle above which the row is wrong and nothing is timed
    agree:     the same for peers: above it their definition is not ours, and they are not timed
    timed:     False where only the memory is of interest
    weighed:   False where only the time is
    """

    name: str
    make: Callable[[bool], Setup]
    targets: Sequence[Target] = ()
    tolerance: float = 1e-5
    agree: float = 1e-3
    timed: bool = True
    weighed: bool = True


@dataclass
class Times:
    """Seconds of each contender in each round; a slow contender has fewer rounds."""

    rounds: dict[str, list[float]] = field(default_factory=dict)

    def median(self, name: str) -> float:
        return statistics.median(self.rounds[name])

    def cost(self, name: str) -> float:
        """Ours / theirs, the median over common rounds."""
        return statistics.median(ours / other for ours, other in zip(self.rounds[OURS], self.rounds[name]))


class Unavailable(Exception):
    """A contender that this machine cannot run: its words say why."""


def relative_error(answer: Answer, wanted: Answer) -> dict[str, float]:
    """For each name, the largest difference over the largest number wanted; for "each ..." the largest quotient.

    A number that is not finite is infinitely wrong.
    """
    errors = {}
    for name, right in wanted.items():
        given, right = (torch.as_tensor(part, dtype=torch.float64, device="cpu").detach() for part in (answer[name], right))
        scale = right.abs() if name.startswith("each ") else right.abs().max()
        quotient = (given - right).abs() / torch.where(scale > 0, scale, 1)
        errors[name] = float(quotient.nan_to_num(nan=torch.inf).max())
    return errors


def measure(contenders: Sequence[Contender], *, threads: int, rounds: int = ROUNDS, sample: float = SAMPLE) -> Times:
    """Time the contenders in turn, round after round; CPU time for one thread, wall time for more, or on a GPU."""
    clock = device_clock(threads)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    gc.collect()
    gc.freeze()  # so that the collections between samples look at what the contenders made, not at every module
    try:
        with threadpool_limits(threads):
            times = Times({contender.name: [] for contender in contenders})
            repeats = {}
            for one in contenders:
                wanted, number, seconds = _repeats(one, clock, sample, rounds, SLOW[threads])
                repeats[one.name] = wanted, number
                times.rounds[one.name] += [] if wanted else [seconds]
            for turn in range(rounds):
                for contender in contenders:
                    wanted, number = repeats[contender.name]
                    if turn < wanted:
                        times.rounds[contender.name].append(_seconds(contender.run, clock, number))
            return times
    finally:
        gc.unfreeze()
        torch.set_num_threads(before)


def _repeats(
    contender: Contender, clock: Callable[[], float], sample: float, rounds: int, slow: float
) -> tuple[int, int, float]:
    """Rounds in which the contender runs after a warm-up, its runs a round, and the seconds of the warm-up."""
    seconds = _seconds(contender.run, clock, 1)
    if seconds > ENDLESS:
        return 0, 1, seconds
    if seconds < sample:
        seconds = _seconds(contender.run, clock, 1)
    turns = min(rounds, SLOW_ROUNDS) if seconds > slow else rounds
    return turns, max(1, min(100, round(sample / max(seconds, 1e-6)))), seconds


def _seconds(run: Callable[[], Answer], clock: Callable[[], float], number: int) -> float:
    gc.collect()
    start = clock()
    for _ in range(number):
        run()
    return (clock() - start) / number
