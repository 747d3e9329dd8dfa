"""From labelled pairs to a threshold that says how it was chosen, from how many pairs, and how sure it is [EVA-5]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nearkin.core import InputError, integer, pick, within
from nearkin.decision.class_draws import drawn, no_classes_to_draw
from nearkin.decision.pairs import PairDistances
from nearkin.decision.roc import Rates, Roc
from nearkin.decision.rules import THRESHOLDS, Settings, chosen, supported_far
from nearkin.decision.verification import needed

FEW_CLASSES = 10


@dataclass(frozen=True)
class Threshold:
    """A threshold: two images are of one class where their distance is at most `value`.

    rule, settings:  how it was chosen
    tpr, tnr, far, precision: what it does to the pairs it was chosen on (new pairs fare somewhat worse); precision where
                     a share `positive_share` of the pairs is positive, as among them. None where there are no such pairs
    positive_pairs, impostor_pairs, classes: what it was chosen on; classes 0 where they were not given
    low, high:       interval of `value` by a bootstrap over classes, at `confidence`; None where there is none
    resamples:       drawn for it
    scoring:         the distance and how a pair was measured; a threshold means nothing without them
    notes:           sentences for the reader
    """

    value: float
    rule: str
    settings: Mapping[str, Any]
    tpr: float | None
    tnr: float | None
    far: float | None
    precision: float | None
    positive_share: float
    positive_pairs: int
    impostor_pairs: int
    classes: int
    low: float | None
    high: float | None
    confidence: float
    resamples: int
    scoring: str
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        interval = "" if self.low is None else f" [{self.low:.4g}, {self.high:.4g}]"
        settings = "".join(f", {key}={value:g}" for key, value in self.settings.items())
        rates = ""
        if self.tpr is not None and self.far is not None:
            rates = f": accepts {self.tpr:.2%} of positive and {self.far:.3%} of impostor pairs"
        classes = f" of {self.classes:,} classes" if self.classes else ""
        return (
            f"{self.value:.4g}{interval} by {self.rule}{settings}{rates}, "
            f"chosen on {self.positive_pairs:,} positive and {self.impostor_pairs:,} impostor pairs{classes}"
        )

    def as_section(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**plain, "settings": dict(self.settings), "notes": list(self.notes)}

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> Threshold:
        """The threshold that `as_section` described."""
        return cls(**{**section, "notes": tuple(section["notes"])})


def calibrate_threshold(
    pairs: PairDistances,
    rule: str = "eer",
    *,
    bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    **settings: Any,
) -> Threshold:
    """Choose a threshold on calibration pairs, to be applied unchanged elsewhere.

    Decision:   same if distance <= threshold
    rule:       a name of `THRESHOLDS`. "eer" (default): of the two points around FAR = 1 - TAR the nearer one; "far": the
                largest distance with FAR <= `far`; "balanced-accuracy", "f-beta", "cost" the smallest distance with the
                best value; "otsu" over all pairs alike, for fidelity to document 002 and for unlabelled distances,
                "otsu-balanced" with half of the weight for each kind
    settings:   those of the rule: `far`; `beta`; `false_accept_cost`, `false_reject_cost`, `positive_share`; `bins`
    Interval:   percentiles over `bootstrap` resamples of the classes (1000 by default, 0 for none): pairs that share a
                class are not independent, so a bootstrap over pairs would be far too sure. Of more than 1,000,000 pairs of a
                kind the nearest impostors and a sample of the others are counted
    Errors:     InputError for `far` that the impostor pairs cannot support, fewer than 10/far, with the smallest that
                they do; for an unknown rule or a setting that it does not read; without pairs of both kinds
    Time:       O(bootstrap x pairs)

    >>> from nearkin.decision import given_pairs
    >>> print(calibrate_threshold(given_pairs([0.1, 0.2, 0.6], [0.5, 0.8, 0.9]), "balanced-accuracy"))
    0.2 by balanced-accuracy: accepts 66.67% of positive and 0.000% of impostor pairs, chosen on 3 positive and 3 impostor pairs
    """
    entry = pick("rule", THRESHOLDS, rule, where="nearkin.decision.THRESHOLDS")
    given = {name: value for name, value in settings.items() if value is not None}
    for name in given:
        if name not in entry.settings:
            reads = f"it reads {', '.join(entry.settings)}" if entry.settings else "it has no settings"
            raise InputError(f"the rule {rule!r} does not read {name!r}; {reads}")
    asked = Settings(**given)
    _supported(pairs, asked.far)
    value = chosen(rule, pairs.counts(), asked)
    low, high, notes = _interval(pairs, rule, asked, integer("bootstrap", bootstrap), confidence, seed)
    rates = _rates(pairs, value)
    return Threshold(
        value=value,
        rule=rule,
        settings=given,
        tpr=rates.tpr if rates else None,
        tnr=rates.tnr if rates else None,
        far=rates.far if rates else None,
        precision=rates.precision if rates else None,
        positive_share=pairs.positive_share,
        positive_pairs=pairs.positives,
        impostor_pairs=pairs.negatives,
        classes=pairs.classes,
        low=low,
        high=high,
        confidence=confidence,
        resamples=bootstrap if low is not None else 0,
        scoring=pairs.scoring,
        notes=(*pairs.notes, *notes, *_doubts(rates, rule)),
    )


def _supported(pairs: PairDistances, far: float | None) -> None:
    if far is None or pairs.negatives >= needed(far):
        return
    advice = (
        f"the smallest that they support is far={supported_far(pairs.negatives):g}"
        if pairs.negatives > 10
        else "they support none"
    )
    raise InputError(
        f"far={far:g} needs at least {needed(far):,} impostor pairs (10 / far), and there are {pairs.negatives:,}; {advice}"
    )


def _rates(pairs: PairDistances, value: float) -> Rates | None:
    if not pairs.positives or not pairs.negatives:
        return None
    return Roc.of(pairs.counts()).at(value)


def _doubts(rates: Rates | None, rule: str) -> list[str]:
    if rule == "otsu" and rates is not None and rates.tnr < 0.9 and rates.positive_share < 0.05:
        return [
            f"only {rates.positive_share:.2%} of the pairs are positive, and Otsu's threshold cuts the impostor pairs "
            f"themselves: it accepts {rates.far:.0%} of them. Use 'otsu-balanced', 'eer' or 'far'"
        ]
    return []


def _interval(
    pairs: PairDistances, rule: str, settings: Settings, resamples: int, confidence: float, seed: int
) -> tuple[float | None, float | None, list[str]]:
    if not 0 < within("confidence", confidence, 0, 1) < 1:
        raise InputError(f"confidence must lie between 0 and 1, both excluded, got {confidence!r}")
    lacking = no_classes_to_draw(pairs)
    if lacking or not resamples:
        return None, None, [f"no interval: {lacking}"] if resamples else []
    found = _resampled(pairs, rule, settings, resamples, seed)
    notes = []
    if len(found) < resamples:
        notes.append(f"{resamples - len(found)} of {resamples} resamples of classes had no threshold and are left out")
    if len(found) < max(2, resamples / 2):
        return None, None, [*notes, "no interval: too few resamples had a threshold"]
    if pairs.classes < FEW_CLASSES:
        notes.append(f"the interval comes from {pairs.classes} classes only and is too narrow")
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high), notes


def _resampled(pairs: PairDistances, rule: str, settings: Settings, resamples: int, seed: int) -> list[float]:
    """The rule's threshold on every draw of the classes that has one."""
    found = []
    for counts in drawn(pairs, resamples, seed):
        if not counts.positives.any() and THRESHOLDS[rule].labelled:
            continue
        try:
            found.append(chosen(rule, counts, settings))
        except InputError:  # no impostor pairs in this draw, or no distance near enough for `far`
            continue
    return found
