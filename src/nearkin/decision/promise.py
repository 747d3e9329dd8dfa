"""A threshold with a promise: at most a share R of the photos of classes that are not enrolled get any name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError, InputTypeError
from nearkin.decision.class_bound import Array, Classes, classes_of, doubt, upper_bound
from nearkin.decision.support import at_least_one, codes_of, confident, refuse_what_none_support, share

METHOD = "Gaffke's bound over classes"


@dataclass(frozen=True)
class Promise:
    """A search's answer is given where its distance is at most `threshold`; with `confidence`, at most `rate` of the
    photos of classes that are not enrolled then get a name.

    rate:        what was promised
    observed:    share of the calibrating photos that get a name at the threshold
    upper:       one-sided bound of that share for all such classes, times `room`; at most `rate`
    room:        by how much the gallery's number of classes may grow with the promise kept (1.1: a tenth more)
    classes, photos: what it was calibrated on; `independent` is how many independent classes one was counted for
    notes:       sentences for the reader
    """

    threshold: float
    rate: float
    observed: float
    upper: float
    confidence: float
    room: float
    classes: int
    photos: int
    independent: float = 1.0
    method: str = METHOD
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        grown = f", also with {self.room - 1:.1%} more classes" if self.room > 1 else ""
        return (
            f"at most {self.rate:.3g} of the photos of unknown classes get a name (confidence {self.confidence:.0%}{grown}): "
            f"threshold {self.threshold:.6g}; {self.observed:.2%} of {self.photos:,} photos of {self.classes:,} classes did"
        )

    def as_section(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**plain, "notes": list(self.notes)}

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> Promise:
        """The promise that `as_section` described."""
        return cls(**{**section, "notes": tuple(section["notes"])})


def promise(
    distances: ArrayLike,
    classes: ArrayLike,
    rate: float,
    *,
    confidence: float = 0.95,
    room: float = 1.0,
    independent: float = 1.0,
) -> Promise:
    """The largest threshold at which the bound on the share of unknown photos that get a name is at most `rate`.

    Shapes:      distances (N,): the decision distance of each photo, inf where a search finds nothing; classes (N,): its
                 class, integers or names. None of the classes is enrolled, nor was the embedding trained on them
    Equation:    threshold = just below the first distance d with room x upper bound(share of distances <= d) > rate
    Bound:       `class_bound.doubt` [Gaffke 2004], over classes: the photos of one class are looked alike or not
                 together, so they are no independent trials. A photo counts once: large classes weigh more
    One bound for all thresholds: the share grows with the threshold, and so does its bound. The promise can fail only if
                 the bound fails at the one threshold where the true share is `rate`, so nothing is tried many times
                 (Bates et al., Distribution-free, risk-controlling prediction sets, 2021)
    confidence:  that the promise is kept over all such classes, above 0.5; 0.95. A hundred new classes may still
                 have more by chance
    room:        1, or more: the number of classes up to which the gallery may grow, over the present one; see `outgrown`
    independent: 1 for classes that are not enrolled; `LEFT_OUT` where enrolled classes were left out one at a time
    Ties:        photos at one distance get a name together or not at all
    Errors:      InputError for a rate below what so many classes support (it names `smallest_rate`), NaN, no photos
    """
    values, codes, sizes = _checked(distances, classes)
    target = share("rate", rate) / at_least_one("room", room)
    alpha = 1 - confident(confidence)
    refuse_what_none_support(sizes, target, alpha, share("independent", independent, whole=True))
    order = np.argsort(values, kind="stable")
    starts = np.append(np.unique(values[order], return_index=True)[1], len(values))

    def accepted(step: int) -> Classes:
        """The classes where all photos before distinct distance number `step` get a name."""
        return classes_of(np.bincount(codes[order[: starts[step]]], minlength=len(sizes)), sizes)

    held, most = 0, int(np.isfinite(values[order[starts[:-1]]]).sum())
    while held < most:
        middle = (held + most + 1) // 2
        if doubt(accepted(middle), target, independent) <= alpha:
            held = middle
        else:
            most = middle - 1
    taken = accepted(held)
    following = values[order[starts[held]]] if starts[held] < len(values) else np.inf
    threshold = float(np.nextafter(following, -np.inf))
    return Promise(
        threshold=threshold,
        rate=float(rate),
        observed=taken.share,
        upper=min(float(rate), room * upper_bound(taken, 1 - alpha, independent)),
        confidence=1 - alpha,
        room=float(room),
        classes=len(sizes),
        photos=len(values),
        independent=float(independent),
        notes=_notes(values, sizes, taken, threshold),
    )


def _notes(values: Array, sizes: NDArray[np.int64], taken: Classes, threshold: float) -> tuple[str, ...]:
    notes = []
    if np.isinf(values).all():
        notes.append("no search found anything, so every answer is accepted: look whether these are decision distances")
    elif taken.share == 0:
        notes.append(
            f"none of the {len(values):,} photos gets a name at this threshold: so few classes support this rate only so"
        )
    if float(values.min()) == 0 and threshold < 0:
        notes.append(
            "photos of unknown classes lie at distance 0 from the gallery, so nothing at all is accepted; "
            "look for images of enrolled classes, or for copies, among the unknown ones"
        )
    if sizes.max() > 3 * sizes.mean():
        notes.append(
            f"the largest class has {sizes.max():,} of {len(values):,} photos; classes of like sizes support lower rates"
        )
    return tuple(notes)


def _checked(distances: ArrayLike, classes: ArrayLike) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """Distances (N,), class codes (N,) and class sizes (C,)."""
    values = np.asarray(distances)
    if values.ndim != 1 or values.dtype.kind not in "fiu" or not len(values):
        raise InputTypeError(f"distances must be one row of numbers, one a photo, got {values.dtype} {values.shape}")
    values = values.astype(np.float64)
    bad = np.flatnonzero(np.isnan(values) | (values == -np.inf))
    if len(bad):
        raise InputError(f"distances hold NaN or minus infinity in {len(bad)} places, first at {int(bad[0])}")
    names = codes_of(classes)
    if len(names) != len(values):
        raise InputError(f"classes must be one for each of the {len(values)} distances, got {len(names)}")
    _, codes, sizes = np.unique(names, return_inverse=True, return_counts=True)
    return values, codes, sizes
