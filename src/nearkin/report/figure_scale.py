"""From values to places along an axis: limits that hold every value, and round ticks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from nearkin.report.figures import Axis, Floats


@dataclass(frozen=True)
class Scale:
    """An axis from `low` at `start` to `high` at `end` (in units of the drawing); `log` spaces equal factors equally."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def place(self, values: Floats | float) -> Floats:
        """Where values stand. Of a logarithmic axis they must be above 0."""
        low, high, at = (np.log(part) if self.log else np.asarray(part) for part in (self.low, self.high, values))
        places: Floats = self.start + (at - low) / (high - low) * (self.end - self.start)
        return places

    def ticks(self) -> list[tuple[float, str]]:
        """About five round values with their texts."""
        values = _round_factors(self.low, self.high) if self.log else _round_steps(self.low, self.high)
        return [(value, _text(value)) for value in values]


def scale_of(axis: Axis, values: Iterable[Floats], start: float, end: float) -> Scale:
    """The scale of an axis: its own limits, else those of the values with a little room."""
    everything = np.concatenate([np.empty(0), *values])
    if axis.log:
        everything = everything[everything > 0]
    least, most = (float(everything.min()), float(everything.max())) if len(everything) else (1.0, 2.0)
    if least == most:
        least, most = (least / 2, most * 2) if axis.log else (least - 0.5, most + 0.5)
    room = (most / least) ** 0.04 if axis.log else (most - least) * 0.04
    low = axis.low if axis.low is not None else least / room if axis.log else least - room
    high = axis.high if axis.high is not None else most * room if axis.log else most + room
    return Scale(low, max(high, low + 1e-9), start, end, axis.log)


def _round_steps(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten.

    >>> _round_steps(-0.13, 1.04)
    [0.0, 0.5, 1.0]
    """
    rough = (high - low) / 5
    power = 10.0 ** int(np.floor(np.log10(rough)))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [round(number * step, 10) + 0.0 for number in range(first, last + 1)]


def _round_factors(low: float, high: float) -> list[float]:
    """Powers of ten; between few of them 2 and 5 times, and between two of them round steps.

    >>> _round_factors(0.03, 6)
    [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0]
    """
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    factors = (1,) if len(powers) > 5 else (1, 2, 5)
    values = [float(f"{factor}e{power}") for power in powers for factor in factors]
    inside = [value for value in values if low <= value <= high]
    return inside if len(inside) > 1 else _round_steps(low, high)


def _text(value: float) -> str:
    return f"{value:.6g}".replace("-", "−")
