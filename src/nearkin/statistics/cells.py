"""From per-query scores to (seed, unit) cells: all that the intervals need, and small.

The mean over queries is a ratio of class totals: with t[s, c] the sum over the n[c] queries of class c,
mean = sum t / (S sum n). So a class counts by its number of queries, as in the score itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError, InputTypeError, choice

Array = NDArray[np.float64]
OVER = ("classes", "groups", "queries", "episodes")


@dataclass(frozen=True)
class Cells:
    """Totals (..., S, C) of the scores in each seed and unit, and the number of queries (C,) of each unit."""

    totals: Array
    sizes: Array

    @property
    def seeds(self) -> int:
        return int(self.totals.shape[-2])

    @property
    def units(self) -> int:
        return int(self.totals.shape[-1])

    @property
    def queries(self) -> int:
        return int(self.sizes.sum())

    @property
    def mean(self) -> Array:
        """The mean over seeds and queries, (...)."""
        mean: Array = self.totals.sum((-2, -1)) / (self.seeds * self.sizes.sum())
        return mean


def score_rows(name: str, values: ArrayLike) -> Array:
    """Per-query scores as (S, Q) float64; one row for a single vector (Q,)."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputTypeError(f"{name} must be numbers, one row a seed and one column a query, got {type(values).__name__}") from None
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(f"{name} must be (seeds, queries) with at least one of each, got shape {np.shape(values)}")
    if np.isinf(array).any():
        raise InputError(f"{name} holds infinite scores; a score must be finite, or NaN for a query that has none")
    return array


def unit_index(units: ArrayLike, queries: int) -> NDArray[np.int64]:
    """Units (class labels, group ids: integers or strings) as indices 0 .. C-1, one a query."""
    labels = np.asarray(units)
    if labels.shape != (queries,):
        raise InputError(f"classes must name one class a query, {queries} in all, got shape {labels.shape}")
    if labels.dtype.kind not in "biuSU":
        kind = "floating-point numbers" if labels.dtype.kind == "f" else f"an array of {labels.dtype}"
        raise InputTypeError(f"classes must be integers or names, got {kind}")
    return np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)


def cells_of(scores: Sequence[Array], units: ArrayLike) -> Cells:
    """Totals of M methods' scores, each (S, Q), as (M, S, C).

    A query that has no score (NaN; a lone class has no AP) is left out; it must be NaN for every method and seed,
    for otherwise the methods would not be compared on the same queries.
    """
    stack = np.stack(scores)
    missing = np.isnan(stack)
    absent = missing.all((0, 1))
    if (missing.any((0, 1)) & ~absent).any():
        raise InputError("a query has a score in some rows and NaN in others; methods and seeds must share their queries")
    if absent.all():
        raise InputError("no query has a score: every one is NaN")
    index = unit_index(units, stack.shape[-1])[~absent]
    index = np.unique(index, return_inverse=True)[1].reshape(-1)
    stack = stack[..., ~absent]
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(index.max() + 1))
    totals = np.add.reduceat(stack[..., order], starts, axis=-1)
    return Cells(totals, np.bincount(index).astype(np.float64))


def cells_over(scores: Sequence[Array], classes: ArrayLike | None, over: str) -> Cells:
    """`cells_of` with the units that `over` names; without classes every column is one number a run, a single unit."""
    choice("over", over, OVER)
    queries = scores[0].shape[-1]
    if classes is None:
        return cells_of(scores, np.zeros(queries, dtype=np.int64))
    return cells_of(scores, np.arange(queries) if over in ("queries", "episodes") else classes)


def check_bounds(scores: Array, bounds: tuple[float, float] | None) -> None:
    """Refuse scores outside their bounds, and bounds that are not (low, high)."""
    if bounds is None:
        return
    low, high = bounds
    if not low < high:
        raise InputError(f"bounds must be (low, high) with low < high, got {bounds!r}")
    if np.isnan(scores).all():
        return
    least, most = float(np.nanmin(scores)), float(np.nanmax(scores))
    if least < low or most > high:
        raise InputError(
            f"scores run from {least:g} to {most:g}, outside bounds {bounds!r}; give the score's own bounds, or None"
        )
