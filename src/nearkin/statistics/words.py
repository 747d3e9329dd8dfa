"""A verdict in plain words."""

from __future__ import annotations

import math

from nearkin.statistics.records import Difference, Interval


def verdict(found: Difference) -> str:
    """One line that says what a difference shows, and what it could have shown.

    Digits:    two significant ones of the half width, so that the words never say more than the interval
    """
    estimate, span = found.estimate, _span(found.low, found.high)
    digits = _digits(found.low, found.high)
    if found.p is None:
        return f"no claim: {found.note}; {_signed(estimate, digits)} here{span}"
    if found.claimed:
        return f"{'better' if estimate > 0 else 'worse'} by {abs(estimate):.{digits}f}{_turned(found, digits)}"
    seen = f"no difference seen ({_signed(estimate, digits)}{span})"
    if found.p <= 1 - found.confidence:
        seen += f", too little to claim among {found.comparisons} comparisons"
    if found.estimate == 0 and found.standard_error == 0:
        return "no difference at all: the same scores"
    if found.detectable is None:
        return f"{seen}; this design could have seen no difference at all"
    return f"{seen}; a difference of {_short(found.detectable)} could have been seen"


def promise(delta: float | None, *, seeds: int, units: int, comparisons: int = 1, over: str = "classes") -> str:
    """What a planned design can see, from `smallest_detectable` at 80 % power: one line for a plan."""
    design = f"{seeds} seeds, {units} {over}, {comparisons} comparisons" if comparisons > 1 else f"{seeds} seeds, {units} {over}"
    if seeds == 1:
        return "one seed: no difference can be claimed; give at least 3 seeds"
    if delta is None:
        return f"{design}: no difference could be claimed with any certainty; more seeds help most"
    return f"{design}: a true difference of {_short(delta)} would be claimed in 4 studies of 5"


def spoken(score: Interval) -> str:
    """`0.836 [0.822, 0.849]`, or the number alone where there is no interval."""
    return f"{score.estimate:.{_digits(score.low, score.high)}f}{_span(score.low, score.high)}"


def _turned(found: Difference, digits: int) -> str:
    """The interval of the size of a claimed difference: `worse by 0.03 [0.01, 0.05]` counts downwards."""
    if found.low is None or found.high is None:
        return ""
    low, high = (found.low, found.high) if found.estimate > 0 else (-found.high, -found.low)
    return f" [{low:.{digits}f}, {high:.{digits}f}]"


def _span(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return ""
    digits = _digits(low, high)
    return f" [{low:.{digits}f}, {high:.{digits}f}]"


def _digits(low: float | None, high: float | None) -> int:
    """Decimals that show two digits of the half width and keep an end apart from 0, 3 to 6; 3 without a width."""
    if low is None or high is None or not high > low:
        return 3
    digits = max(3, 1 - math.floor(math.log10((high - low) / 2)))
    while digits < 6 and any(end != 0 and round(end, digits) == 0 for end in (low, high)):
        digits += 1
    return min(6, digits)


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}"


def _short(value: float) -> str:
    """Two significant digits without an exponent."""
    places = max(0, 1 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:.{min(places, 6)}f}"
