"""Checks of what a user gave, and their words: what was given, what is allowed, what to do.

Conditions are written so that NaN fails them (`not value > 0`, never `value <= 0`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real

from nearkin.core.errors import InputError, InputTypeError
from nearkin.core.names import suggestion


def _real(name: str, value: object, wanted: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputTypeError(f"{name} must be {wanted}, got {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise InputError(f"{name} must be {wanted}; what was given is too large for a 64-bit float") from None


def finite(name: str, value: object) -> float:
    """Return `value` as a float if it is finite."""
    number = _real(name, value, "a number")
    if not math.isfinite(number):
        raise InputError(f"{name} must be a finite number, got {value!r}")
    return number


def positive(name: str, value: object) -> float:
    """Return `value` as a float if it is finite and above 0.

    >>> positive("temperature", 0.1)
    0.1
    """
    number = _real(name, value, "a number above 0")
    if not (number > 0 and math.isfinite(number)):
        raise InputError(f"{name} must be a finite number above 0, got {value!r}")
    return number


def non_negative(name: str, value: object) -> float:
    """Return `value` as a float if it is finite and at least 0."""
    number = _real(name, value, "a number of at least 0")
    if not (number >= 0 and math.isfinite(number)):
        raise InputError(f"{name} must be a finite number of at least 0, got {value!r}")
    return number


def within(name: str, value: object, low: float, high: float) -> float:
    """Return `value` as a float if it lies in [low, high]."""
    number = _real(name, value, f"a number from {low:g} to {high:g}")
    if not low <= number <= high:
        raise InputError(f"{name} must be a number from {low:g} to {high:g}, got {value!r}")
    return number


def integer(name: str, value: object, *, minimum: int = 0) -> int:
    """Return `value` as an int if it is a whole number of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputTypeError(f"{name} must be a whole number, got {value!r}")
    if int(value) < minimum:
        raise InputError(f"{name} must be a whole number of at least {minimum}, got {value!r}")
    return int(value)


def flag(name: str, value: object) -> bool:
    """Return `value` if it is True or False."""
    if not isinstance(value, bool):
        raise InputTypeError(f"{name} must be true or false, got {value!r}")
    return value


def choice(name: str, value: object, allowed: Sequence[str]) -> str:
    """Return `value` if it is one of `allowed`; otherwise name the nearest right one."""
    if isinstance(value, str) and value in allowed:
        return value
    raise InputError(
        f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}{suggestion(value, allowed)}"
    )
