"""Same or different? ROC and DET curves over pairs, the area, equal error, and true accepts at a false-accept rate [EVA-4]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nearkin.core import InputError, integer, within
from nearkin.decision.class_draws import drawn, no_classes_to_draw
from nearkin.decision.pairs import PairDistances
from nearkin.decision.roc import Rates, Roc

FALSE_ACCEPT_RATES = (1e-1, 1e-2, 1e-3, 1e-4)

ENOUGH = 10
"""Impostor pairs that a false-accept rate must let through to mean anything: a rate f needs 10/f of them."""


@dataclass(frozen=True)
class Verification:
    """How well distances tell pairs of one class from pairs of two.

    auc:                 P(d_positive < d_negative) + P(equal)/2
    eer, eer_threshold:  equal error rate, interpolated, and the distance nearest to it
    tar_at_far:          for each asked rate the largest TAR with FAR <= rate; None where fewer than 10/rate negative
                         pairs cannot speak for it, `reasons` then says so
    balanced_accuracy, balanced_threshold: the best (TPR + TNR)/2 and the smallest distance that reaches it
    intervals:           by the names of `scores`, low and high, by a bootstrap over classes; empty where not asked for
    positives, negatives: pairs compared, of so many `classes`; `positive_share` of them are positive
    scoring, notes:      how a pair was measured, and what a reader should know
    """

    auc: float
    eer: float
    eer_threshold: float
    tar_at_far: dict[float, float | None]
    reasons: dict[float, str]
    balanced_accuracy: float
    balanced_threshold: float
    intervals: dict[str, tuple[float, float]]
    positives: int
    negatives: int
    classes: int
    positive_share: float
    roc: Roc
    scoring: str
    notes: tuple[str, ...]

    def at(self, threshold: float, positive_share: float | None = None) -> Rates:
        """TPR, TNR, FAR and precision of a threshold."""
        return self.roc.at(threshold, positive_share)

    @property
    def scores(self) -> dict[str, float | None]:
        """The numbers by name."""
        return {
            "auc": self.auc,
            "eer": self.eer,
            **{_name(rate): value for rate, value in self.tar_at_far.items()},
            "balanced-accuracy": self.balanced_accuracy,
        }


def verification(
    pairs: PairDistances,
    *,
    far: Sequence[float] = FALSE_ACCEPT_RATES,
    bootstrap: int = 0,
    confidence: float = 0.95,
    seed: int = 0,
) -> Verification:
    """ROC, AUC, equal error rate, TAR at false-accept rates and best balanced accuracy of pairs [EVA-4].

    Decision:  same if distance <= threshold
    Curve:     over all distinct distances and the point (0, 0), which has no threshold
    Defaults:  far 1e-1 to 1e-4; no intervals, `bootstrap=1000` gives them by draws of the classes
    Errors:    InputError without positive or without negative pairs
    Time:      O(M) after the pairs are sorted, and O(bootstrap x M)

    >>> from nearkin.decision import given_pairs
    >>> found = verification(given_pairs([0.1, 0.2, 0.6], [0.5, 0.8, 0.9]), far=())
    >>> round(found.auc, 3), round(found.eer, 3), found.balanced_threshold
    (0.889, 0.333, 0.2)
    """
    roc = Roc.of(pairs.counts())
    place, best_place = roc.crossing()[1], roc.best_balanced()[1]
    reasons = {
        rate: f"TAR at FAR {rate:g} needs at least {needed(rate):,} impostor pairs, there are {pairs.negatives:,}"
        for rate in far
        if pairs.negatives < needed(rate)
    }
    supported = [rate for rate in far if rate not in reasons]
    scores = _scores(roc, supported)
    intervals, notes = _intervals(pairs, supported, integer("bootstrap", bootstrap), confidence, seed)
    return Verification(
        auc=scores["auc"],
        eer=scores["eer"],
        eer_threshold=float(roc.thresholds[place]),
        tar_at_far={rate: scores.get(_name(rate)) for rate in far},
        reasons=reasons,
        balanced_accuracy=scores["balanced-accuracy"],
        balanced_threshold=float(roc.thresholds[best_place]),
        intervals=intervals,
        positives=pairs.positives,
        negatives=pairs.negatives,
        classes=pairs.classes,
        positive_share=pairs.positive_share,
        roc=roc,
        scoring=pairs.scoring,
        notes=(*pairs.notes, *notes),
    )


def _scores(roc: Roc, far: Sequence[float]) -> dict[str, float]:
    rates = {_name(rate): roc.tar_at_far(rate) for rate in far}
    return {"auc": roc.auc, "eer": roc.eer, **rates, "balanced-accuracy": roc.best_balanced()[0]}


def _name(rate: float) -> str:
    return f"tar@far={rate:g}"


def _intervals(
    pairs: PairDistances, far: Sequence[float], resamples: int, confidence: float, seed: int
) -> tuple[dict[str, tuple[float, float]], list[str]]:
    lacking = no_classes_to_draw(pairs)
    if lacking or not resamples:
        return {}, [f"no intervals: {lacking}"] if resamples else []
    draws = [
        _scores(Roc.of(counts), far)
        for counts in drawn(pairs, resamples, seed)
        if counts.positives.any() and counts.negatives.any()
    ]
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    found = {name: np.quantile([draw[name] for draw in draws], ends).tolist() for name in draws[0]} if draws else {}
    return {name: (low, high) for name, (low, high) in found.items()}, []


def needed(far: float) -> int:
    """Impostor pairs that a false-accept rate needs: 10/f."""
    return int(np.ceil(round(ENOUGH / _rate(far), 6)))


def _rate(far: float) -> float:
    rate = within("far", far, 0.0, 1.0)
    if not 0 < rate < 1:
        raise InputError(f"a false-accept rate must lie between 0 and 1, both excluded, got {far!r}")
    return rate
