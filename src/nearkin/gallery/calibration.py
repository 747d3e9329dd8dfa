"""A calibration as a gallery keeps it: threshold and promise, how many vote, probabilities, and a threshold for pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nearkin.core import InputError
from nearkin.decision.growth import Size
from nearkin.decision.growth import outgrown as growth_of
from nearkin.decision.probability import Probability
from nearkin.decision.promise import Promise
from nearkin.decision.thresholds import Threshold
from nearkin.decision.unknowns import PairRate
from nearkin.gallery.answers import percent

FORMAT = 1


@dataclass(frozen=True)
class Calibration:
    """What `Gallery.calibrate` found.

    threshold:    a photo is given a name where its distance is at most this
    promise:      what that keeps to, and what it rests on
    unknowns:     where photos of un-enrolled classes came from, in words
    asked_classes: of the gallery that those photos were asked of: one less where a class was left out
    enrolled_classes, enrolled_images: the size of the gallery that it holds for
    votes:        neighbours that vote, chosen on enrolled images that were left out
    accuracy:     share of those that were answered rightly; named: share of those within the threshold; None where no
                  class has two images. asked: how many there were
    probability:  parameters of the classes' probabilities
    pairs:        the threshold of `verify`, with its rates and numbers of pairs; None where there were too few pairs, and
                  then `no_pairs` says why
    pair_rate:    share of pairs of two enrolled classes within the search's threshold; far smaller, for a search asks many
                  pairs at once
    set_aside:    images that could not calibrate, for the model was trained on them
    model:        fingerprint of the model
    """

    threshold: float
    promise: Promise
    unknowns: str
    asked_classes: int
    enrolled_classes: int
    enrolled_images: int
    votes: int
    accuracy: float | None
    named: float | None
    asked: int
    probability: Probability
    pairs: Threshold | None
    no_pairs: str | None
    pair_rate: PairRate | None
    set_aside: int
    model: str
    notes: tuple[str, ...] = ()

    def as_section(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            "format": FORMAT,
            **plain,
            "promise": self.promise.as_section(),
            "probability": self.probability.as_section(),
            "pairs": None if self.pairs is None else self.pairs.as_section(),
            "pair_rate": None if self.pair_rate is None else self.pair_rate._asdict(),
            "notes": list(self.notes),
        }

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> Calibration:
        """The calibration that `as_section` described. Errors: InputError for that of a newer version."""
        plain = dict(section)
        version = plain.pop("format", None)
        if version != FORMAT:
            raise InputError(
                f"the gallery's calibration has format {version}, this version of nearkin reads {FORMAT}; "
                "use a newer nearkin, or calibrate again"
            )
        pairs, pair_rate = plain["pairs"], plain["pair_rate"]
        return cls(
            **{
                **plain,
                "promise": Promise.from_section(plain["promise"]),
                "probability": Probability.from_section(plain["probability"]),
                "pairs": None if pairs is None else Threshold.from_section(pairs),
                "pair_rate": None if pair_rate is None else PairRate(**pair_rate),
                "notes": tuple(plain["notes"]),
            }
        )


def outgrown(calibration: Calibration, classes: int, images: int) -> str | None:
    """Why the promise no longer holds for a gallery of this size, in a sentence; None while it does."""
    if not classes:
        return None
    asked = Size(calibration.asked_classes, calibration.enrolled_images)
    growth = growth_of(calibration.promise, asked, Size(classes, images))
    if not growth.outgrown:
        return None
    return (
        f"outgrown: calibrated with {calibration.enrolled_images:,} images of {calibration.enrolled_classes:,} classes, now "
        f"{images:,} of {classes:,}; up to {percent(growth.at_most)} of unknown photos may get a name instead of "
        f"{percent(calibration.promise.rate)}. Calibrate again"
    )
