"""Rules that choose a threshold from counted pairs, by name [EVA-5]."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, non_negative, pick, positive, within
from nearkin.decision.otsu import binned, otsu
from nearkin.decision.pairs import Counts
from nearkin.decision.roc import Roc
from nearkin.decision.verification import ENOUGH, needed

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """What the rules may ask for.

    far:                the false-accept rate of "far", over pairs
    beta:               of "f-beta": how many times more a missed positive pair weighs than a false accept, squared; 1
    false_accept_cost, false_reject_cost: of "cost"; only their ratio matters, 1 and 1
    positive_share:     share of positive pairs where the threshold will be used, for "f-beta" and "cost"; by default that
                        of the pairs themselves
    bins:               of "otsu" and "otsu-balanced": a histogram of so many bins, at least 4,096; None is exact
    """

    far: float | None = None
    beta: float = 1.0
    false_accept_cost: float = 1.0
    false_reject_cost: float = 1.0
    positive_share: float | None = None
    bins: int | None = None

    def __post_init__(self) -> None:
        if self.far is not None:
            needed(self.far)
        positive("beta", self.beta)
        costs = (
            non_negative("false_accept_cost", self.false_accept_cost),
            non_negative("false_reject_cost", self.false_reject_cost),
        )
        if not any(costs):
            raise InputError("false_accept_cost and false_reject_cost are both 0; one of them must cost something")
        if self.positive_share is not None and not 0 < within("positive_share", self.positive_share, 0, 1) < 1:
            raise InputError(f"positive_share must lie between 0 and 1, both excluded, got {self.positive_share!r}")


def _otsu(counts: Counts, settings: Settings) -> float:
    counts = counts if settings.bins is None else binned(counts, settings.bins)
    return otsu(counts.distances, counts.positives + counts.negatives)[0]


def _otsu_balanced(counts: Counts, settings: Settings) -> float:
    Roc.of(counts)  # says what is missing
    counts = counts if settings.bins is None else binned(counts, settings.bins)
    halves = counts.positives / counts.positives.sum() + counts.negatives / counts.negatives.sum()
    return otsu(counts.distances, halves)[0]


def _eer(counts: Counts, settings: Settings) -> float:
    roc = Roc.of(counts)
    return float(roc.thresholds[roc.crossing()[1]])


def _far(counts: Counts, settings: Settings) -> float:
    if settings.far is None:
        raise InputError("the rule 'far' needs the false-accept rate: far=1e-3, for example")
    roc = Roc.of(counts)
    place = roc.place_at_far(settings.far)
    if not place:
        raise InputError(
            f"no threshold keeps far={settings.far:g}: the nearest distance alone, {roc.thresholds[1]:.6g}, accepts "
            f"{roc.far[1]:.3g} of the impostor pairs; these embeddings do not tell classes apart so well"
        )
    return float(roc.thresholds[place])


def _f_beta(counts: Counts, settings: Settings) -> float:
    roc = Roc.of(counts)
    share = _share(roc, settings)
    right, missed, wrong = share * roc.tar[1:], share * (1 - roc.tar[1:]), (1 - share) * roc.far[1:]
    square = settings.beta**2
    weight = (1 + square) * right
    return _first_best(roc, weight / (weight + square * missed + wrong))


def _cost(counts: Counts, settings: Settings) -> float:
    roc = Roc.of(counts)
    share = _share(roc, settings)
    accepts = settings.false_accept_cost * (1 - share) * roc.far[1:]
    rejects = settings.false_reject_cost * share * (1 - roc.tar[1:])
    return _first_best(roc, -(accepts + rejects) / (settings.false_accept_cost + settings.false_reject_cost))


def _balanced_accuracy(counts: Counts, settings: Settings) -> float:
    roc = Roc.of(counts)
    return float(roc.thresholds[roc.best_balanced()[1]])


def _share(roc: Roc, settings: Settings) -> float:
    if settings.positive_share is not None:
        return settings.positive_share
    return float(roc.positives[-1] / (roc.positives[-1] + roc.negatives[-1]))


def _first_best(roc: Roc, values: Array) -> float:
    """The smallest distance whose value is the largest, rounding apart."""
    best = values.max()
    return float(roc.thresholds[1 + int(np.argmax(values >= best - 1e-12 * abs(best)))])


class Rule(NamedTuple):
    """`choose(counts, settings) -> threshold`, whether it reads which pairs are positive, the settings it reads, and words."""

    choose: Callable[[Counts, Settings], float]
    labelled: bool
    settings: tuple[str, ...]
    words: str


THRESHOLDS: Mapping[str, Rule] = MappingProxyType(
    {
        "balanced-accuracy": Rule(_balanced_accuracy, True, (), "largest (TPR + TNR)/2"),
        "cost": Rule(
            _cost,
            True,
            ("false_accept_cost", "false_reject_cost", "positive_share"),
            "least expected cost of false accepts and false rejects",
        ),
        "eer": Rule(_eer, True, (), "as many negative pairs accepted as positive ones refused"),
        "f-beta": Rule(_f_beta, True, ("beta", "positive_share"), "largest F-beta of the pairs called same"),
        "far": Rule(_far, True, ("far",), "largest distance that accepts at most a share `far` of the negative pairs"),
        "otsu": Rule(_otsu, False, ("bins",), "most variance between the two sides, all pairs alike (document 002)"),
        "otsu-balanced": Rule(_otsu_balanced, True, ("bins",), "Otsu's with half of the weight for each kind of pair"),
    }
)
"""Rules by name."""


def chosen(rule: str, counts: Counts, settings: Settings) -> float:
    """The threshold of the named rule. Errors: InputError for an unknown rule and for what the rule cannot do."""
    return pick("rule", THRESHOLDS, rule, where="nearkin.decision.THRESHOLDS").choose(counts, settings)


def supported_far(negatives: int) -> float:
    """The smallest false-accept rate that so many impostor pairs support, 10/N, rounded up to three digits."""
    rate = ENOUGH / max(negatives, 1)
    unit = 10.0 ** (np.floor(np.log10(rate)) - 2)
    return float(f"{np.ceil(rate / unit - 1e-9) * unit:.3g}")
