"""Class means of rows, number by number."""

from __future__ import annotations

import math
from collections.abc import Sequence


def class_mean(rows: Sequence[Sequence[float]], codes: Sequence[int], c: int, unit: bool) -> list[float]:
    """The mean of class c; of length 1 where `unit`, unless it is 0."""
    own = [row for row, code in zip(rows, codes, strict=True) if code == c]
    mean = [sum(column) / len(own) for column in zip(*own, strict=True)]
    length = math.sqrt(sum(each * each for each in mean))
    return [each / length for each in mean] if unit and length > 0 else mean
