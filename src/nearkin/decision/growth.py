"""How a promise ages: a larger gallery gives more photos of unknown classes a name at the same threshold."""

from __future__ import annotations

from typing import NamedTuple

from nearkin.core import InputError, integer
from nearkin.decision.promise import Promise

LEFT_OUT = 0.5
"""How many independent classes an enrolled class counts for that was left out: look-alikes come in pairs."""


class Size(NamedTuple):
    """How large a gallery is."""

    classes: int
    images: int


class Growth(NamedTuple):
    """What a gallery's growth since the calibration leaves of a promise.

    ratio:     how many times as large it is, in classes or in images, whichever grew more
    at_most:   the share of unknown photos that may get a name now
    outgrown:  whether that is above the promised rate
    words:     one sentence
    """

    ratio: float
    at_most: float
    outgrown: bool
    words: str


def left_out_room(classes: int) -> float:
    """The `room` of a promise made by leaving out one of `classes` classes at a time: classes / (classes - 1)."""
    return integer("classes", classes, minimum=2) / (classes - 1)


def outgrown(promise: Promise, calibrated: Size, present: Size) -> Growth:
    """Whether a promise made for one size of a gallery still holds at another.

    Equation:  F(g s) <= g F(s) for g >= 1: the share of unknown photos that get a name at one threshold grows at most as
               the number of classes, and as the images of each class
    Words:     a photo is missed by s classes drawn like those enrolled with probability (1 - p)^s, so F(s), the mean of
               1 - (1 - p)^s over photos, bends down; F(0) = 0. So a promise with `upper` at the calibrated size holds
               until the gallery has grown by `rate` / `upper` x `room`, and beyond it at most ratio x `upper` / `room` get
               a name
    Edge:      classes that are added because they look like what is asked can raise it by more. A smaller gallery keeps it
    """
    before, now = _size("calibrated", calibrated), _size("present", present)
    ratio = max(now.classes / before.classes, now.images / before.images)
    at_most = min(1.0, promise.upper / promise.room * max(1.0, ratio))
    over = at_most > promise.rate * (1 + 1e-9)
    sizes = (
        f"{now.classes:,} classes and {now.images:,} images, {before.classes:,} and {before.images:,} when calibrated"
    )
    if over:
        words = (
            f"the gallery has outgrown its calibration ({sizes}): up to {at_most:.2%} of unknown photos may now get a name, "
            f"{promise.rate:.4g} was promised; calibrate again"
        )
    else:
        words = f"the promise of {promise.rate:.4g} holds ({sizes}): at most {at_most:.2%} of unknown photos get a name"
    return Growth(ratio, at_most, over, words)


def _size(name: str, size: Size) -> Size:
    found = Size(*size)
    if found.classes < 1 or found.images < found.classes:
        raise InputError(f"{name} must have at least one class, and an image of each, got {found}")
    return found
