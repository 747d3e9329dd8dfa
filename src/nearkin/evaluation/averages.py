"""Means of per-query scores: over queries, or over classes of queries."""

from __future__ import annotations

import numpy as np

from nearkin.evaluation.inputs import Array


class Average:
    """Mean over the queries that count; with `macro` the mean over classes of the means within a class.

    Classes of which no query counts do not count either.
    """

    def __init__(self, labels: Array, counted: Array, *, macro: bool = False) -> None:
        self.counted = counted
        self._classes = np.unique(labels[counted], return_inverse=True)[1] if macro else None

    def __call__(self, values: Array) -> float:
        values = values[self.counted]
        if self._classes is None:
            return float(values.mean())
        return float((np.bincount(self._classes, weights=values) / np.bincount(self._classes)).mean())
