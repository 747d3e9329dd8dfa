"""Confidence and power: checked once, and the normal quantile."""

from __future__ import annotations

from statistics import NormalDist

from nearkin.core import InputError, within


def checked_confidence(confidence: float) -> float:
    """Return the confidence if it lies strictly between 0.5 and 1."""
    value = within("confidence", confidence, 0.5, 1.0)
    if not 0.5 < value < 1:
        raise InputError(f"confidence must lie between 0.5 and 1, both excluded, got {confidence!r} (0.95 is usual)")
    return value


def checked_power(power: float) -> float:
    """Return the power if it lies strictly between 0 and 1."""
    value = within("power", power, 0.0, 1.0)
    if not 0 < value < 1:
        raise InputError(f"power must lie between 0 and 1, both excluded, got {power!r} (0.8 is usual)")
    return value


def normal_quantile(confidence: float) -> float:
    """The two-sided normal critical value: 1.959963984540054 at 0.95, not the rounded 1.96."""
    return NormalDist().inv_cdf((1 + checked_confidence(confidence)) / 2)
