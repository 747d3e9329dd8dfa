"""What so many unknown classes can support: the smallest rate that a search may promise, and the refusal of less."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError, InputTypeError, positive, within
from nearkin.decision.class_bound import classes_of, doubt, upper_bound


def smallest_rate(
    classes: ArrayLike, *, confidence: float = 0.95, room: float = 1.0, independent: float = 1.0
) -> float:
    """The smallest rate that photos of these classes can support, reached where none of them gets a name.

    Equation:  room x (1 - alpha^(1 / C)) for C classes of one size: what no class of C ever did may still be done by so
               many others, whatever the number of photos. About 3 / C at 95 %
    Shapes:    classes (N,): the class of each photo

    >>> [round(smallest_rate(range(count)), 4) for count in (20, 59, 150, 299)]
    [0.1391, 0.0495, 0.0198, 0.01]
    """
    sizes = np.unique(codes_of(classes), return_counts=True)[1]
    alpha = 1 - confident(confidence)
    independent = share("independent", independent, whole=True)
    return min(1.0, at_least_one("room", room) * _least(sizes, alpha, independent))


def _least(sizes: NDArray[np.int64], alpha: float, independent: float) -> float:
    return upper_bound(classes_of(np.zeros(len(sizes)), sizes), 1 - alpha, independent)


def refuse_what_none_support(sizes: NDArray[np.int64], target: float, alpha: float, independent: float) -> None:
    """Raise where not even a threshold at which no photo gets a name supports the rate; name the one that it does."""
    if doubt(classes_of(np.zeros(len(sizes)), sizes), target, independent) <= alpha:
        return
    needed = math.ceil(math.log(alpha) / math.log1p(-target) / independent)
    least = _least(sizes, alpha, independent)
    raise InputError(
        f"{len(sizes):,} classes cannot support a false-accept rate of {target:.4g} with confidence {1 - alpha:.4g}: had none "
        f"of their photos got a name, up to {least:.4g} of others might; promise at least {_up(least):g}, or "
        f"calibrate on photos of at least {needed:,} classes of one size"
    )


def _up(share: float) -> float:
    """Rounded up to three digits."""
    unit = 10.0 ** (math.floor(math.log10(share)) - 2)
    return min(1.0, float(f"{math.ceil(share / unit) * unit:.6g}"))


def codes_of(classes: ArrayLike) -> NDArray[Any]:
    """The class of each photo, (N,) whole numbers or texts."""
    names = np.asarray(classes)
    if names.ndim != 1 or not len(names) or names.dtype.kind not in "iuUS":
        raise InputTypeError(f"classes must be one row of whole numbers or names, got {names.dtype} {names.shape}")
    return names


def share(name: str, value: float, whole: bool = False) -> float:
    """The number if it lies above 0 and below 1, or at 1 where `whole`."""
    number = within(name, value, 0.0, 1.0)
    if not number > 0 or (number == 1 and not whole):
        raise InputError(f"{name} must lie above 0 and {'be at most' if whole else 'below'} 1, got {value!r}")
    return number


def at_least_one(name: str, value: float) -> float:
    """The number if it is 1 or more."""
    if not positive(name, value) >= 1:
        raise InputError(f"{name} must be at least 1, got {value!r}")
    return float(value)


def confident(confidence: float) -> float:
    """The confidence if it lies strictly between 0.5 and 1."""
    value = within("confidence", confidence, 0.5, 1.0)
    if not 0.5 < value < 1:
        raise InputError(f"confidence must lie between 0.5 and 1, both excluded, got {confidence!r} (0.95 is usual)")
    return value
