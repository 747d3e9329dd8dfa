"""What a gallery answers, with everything that the answer rests on; plain values, fit for JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

NAMED = "named"
UNKNOWN = "unknown"
NOT_CALIBRATED = "not calibrated"
SAME = "same"
DIFFERENT = "different"


class _Plain:
    """Answers as plain values."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON; derived ones (`decision`) included."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True)
class Model:
    """Which embedding answered."""

    name: str
    fingerprint: str


@dataclass(frozen=True)
class Neighbour:
    """An enrolled image near the photo. id: of the gallery; source: where it came from when it was enrolled."""

    label: str
    distance: float
    id: int
    source: str


@dataclass(frozen=True)
class Candidate:
    """A class in question.

    probability: that it is the right one, given that the photo is of an enrolled class; None before calibration
    distance:    to the nearest image of it among the neighbours that were looked at
    """

    label: str
    probability: float | None
    distance: float


@dataclass(frozen=True)
class Promised:
    """What the calibration promises of searches: of photos of classes that are not enrolled, at most a share `rate` is given
    any name.

    bound:    the upper bound of that share, one-sided over classes, at `confidence`
    observed: the share among the `photos` of `classes` unknown classes that it was calibrated on
    enrolled_classes, enrolled_images: the size of the gallery then
    outgrown: why it no longer holds, or None
    """

    rate: float
    bound: float
    confidence: float
    observed: float
    photos: int
    classes: int
    enrolled_classes: int
    enrolled_images: int
    outgrown: str | None


@dataclass(frozen=True)
class Answer(_Plain):
    """What class a photo is of.

    decision:    "named", "unknown" (nothing enrolled is near enough), or "not calibrated" (there is no threshold yet)
    label:       the class by the vote of the `votes` nearest; None where unknown, candidates then say what came near
    probability: that the first candidate is right, given that the photo is of an enrolled class; None before calibration
    distance:    to the nearest enrolled image of the first candidate; named where distance <= threshold
    candidates:  the likeliest classes, at most 5
    neighbours:  the enrolled images that were nearest, nearest first
    remarks:     what had to be done to the image, and what a reader should know
    """

    image: str
    decision: str
    label: str | None
    probability: float | None
    distance: float
    threshold: float | None
    promise: Promised | None
    votes: int
    candidates: tuple[Candidate, ...]
    neighbours: tuple[Neighbour, ...]
    model: Model
    revision: int
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pair(_Plain):
    """Whether two photos are of one class: "same" where distance <= threshold, "different", or "not calibrated".

    false_accepts, true_accepts: shares of pairs of two classes, and of one, that the threshold accepted in calibration,
                                 of so many `impostor_pairs` and `positive_pairs`
    """

    first: str
    second: str
    decision: str
    distance: float
    threshold: float | None
    false_accepts: float | None
    true_accepts: float | None
    impostor_pairs: int
    positive_pairs: int
    model: Model
    revision: int


@dataclass(frozen=True)
class Nearby(_Plain):
    """The enrolled images nearest to a photo, nearest first."""

    image: str
    neighbours: tuple[Neighbour, ...]
    model: Model
    revision: int


def shown(value: float, digits: int = 3) -> str:
    """A distance as people read it: at least `digits` figures that mean something, never more decimals than that needs.

    Below a millionth it is the rounding of float32 embeddings, and 0 for people.

    >>> shown(0.41234), shown(12.3456), shown(0.00012345), shown(6e-8)
    ('0.412', '12.3', '0.000123', '0')
    """
    if abs(value) < 1e-6 or not math.isfinite(value):
        return "0" if math.isfinite(value) else f"{value:g}"
    before = math.floor(math.log10(abs(value))) + 1
    return f"{value:.{max(0, digits - max(before, 0) - min(before, 0))}f}"


def percent(share: float) -> str:
    """A share as people read it: no false certainty at either end.

    >>> percent(0.9312), percent(0.99999), percent(0.0004), percent(0.05), percent(1.0)
    ('93 %', '>99.9 %', '0.04 %', '5 %', '100 %')
    """
    if 0.999 < share < 1:
        return ">99.9 %"
    number = 100 * share
    if 0 < number < 0.01:
        return "<0.01 %"
    if number < 1 or 99 < number < 100:
        return f"{number:.2g} %" if number < 1 else f"{number:.1f} %"
    return f"{number:.3g} %" if number < 10 else f"{number:.0f} %"
