"""How many pairs and anchors a block has: what means of a loss divide by."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Counts:
    """Numbers of pairs and anchors of a block, out of each anchor's number of positives and of negatives, (b,)."""

    def __init__(self, positives: Array, negatives: Array) -> None:
        self._positives, self._negatives = positives, negatives

    def near(self) -> Array:
        """Positives of each anchor, (b,)."""
        return self._positives

    def far(self) -> Array:
        """Negatives of each anchor, (b,)."""
        return self._negatives

    def positives(self) -> int:
        """Positive pairs."""
        return int(np.add.reduce(self._positives))

    def negatives(self) -> int:
        """Negative pairs."""
        return int(np.add.reduce(self._negatives))

    def pairs(self) -> int:
        """Positive pairs whose anchor has a negative."""
        return int(self._positives @ (self._negatives > 0))

    def triplets(self) -> int:
        """Pairs of a positive and a negative of one anchor."""
        return int(self._positives @ self._negatives)

    def pulled(self) -> int:
        """Anchors with a positive."""
        return int(np.count_nonzero(self._positives))

    def torn(self) -> int:
        """Anchors with a positive and a negative."""
        return int(np.count_nonzero(self._positives * self._negatives))

    def moved(self) -> int:
        """Anchors with a positive or a negative."""
        return int(np.count_nonzero(self._positives + self._negatives))


class EqualCounts(Counts):
    """The same of `rows` anchors that have as many positives and as many negatives each: numbers from the start."""

    def __init__(self, rows: int, positives: int, negatives: int) -> None:
        self._rows, self._near, self._far = rows, positives, negatives

    def near(self) -> Array:
        return np.full(self._rows, self._near)

    def far(self) -> Array:
        return np.full(self._rows, self._far)

    def positives(self) -> int:
        return self._rows * self._near

    def negatives(self) -> int:
        return self._rows * self._far

    def pairs(self) -> int:
        return self._rows * self._near if self._far else 0

    def triplets(self) -> int:
        return self._rows * self._near * self._far

    def pulled(self) -> int:
        return self._rows if self._near else 0

    def torn(self) -> int:
        return self._rows if self._near and self._far else 0

    def moved(self) -> int:
        return self._rows if self._near or self._far else 0
