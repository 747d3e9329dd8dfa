"""Exact nearest neighbours of projected rows: candidates by a float32 product with a proved bound, decided in float64."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError, integer
from nearkin.decision.links import Space

Rows: TypeAlias = NDArray[np.float32]

PRODUCT = 1 << 23
"""Approximate distances held at a time."""

SPARE = 16
"""Candidates beyond k where no bound is known: the order is not Euclidean, or rows are enormous."""

WIDEST = 1e30
"""Squared norms from which on a product in float32 might overflow."""


class Nearest(NamedTuple):
    """The k nearest references of each query, nearest first; inf and -1 where there are fewer than k.

    Shapes:  distances (A, k) float64, places (A, k) int64
    """

    distances: NDArray[np.float64]
    places: NDArray[np.int64]


class References:
    """References that are asked more than once: checked and measured a single time. A memory-mapped matrix stays mapped.

    Shapes:  rows (R, D) float32, norms (R,) float32 squared norms
    Errors:  InputError for rows of another shape, NaN
    """

    def __init__(self, rows: ArrayLike) -> None:
        self.rows = _of_two("references", rows)
        with np.errstate(over="ignore", invalid="ignore"):
            self.norms: Rows = np.einsum("rd,rd->r", self.rows, self.rows)
        if not np.isfinite(self.norms).all():  # a row that is not finite, or one too long for a norm of 32 bits
            _refuse_if_not_finite("references", self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def nearest(
    space: Space,
    queries: ArrayLike,
    references: ArrayLike | References,
    k: int,
    *,
    query_groups: ArrayLike | None = None,
    reference_groups: ArrayLike | None = None,
) -> Nearest:
    """The k nearest references of every query by `space`, exactly; ties by the lowest place.

    Shapes:   projected rows, queries (A, D), references (R, D), taken as float32. `References` of them, made once, spare
              each further call two passes over R x D numbers
    groups:   a query does not see the references of its own group: `numpy.arange(N)` on both sides leaves each row
              itself out, class codes leave its whole class out
    Exact:    distances are sums of squared differences in float64, so they do not depend on blocks or batches. For
              distances whose order is Euclidean a bound on the float32 product's error proves that no nearer
              reference was passed over; for others the product is in float64 and k + 16 candidates are decided
    Memory:   O(block x R), blocks of at most 8 million numbers
    Errors:   InputError for rows of another width, NaN, k < 1
    """
    asked = _refuse_if_not_finite("queries", _of_two("queries", queries))
    measured = references if isinstance(references, References) else References(references)
    kept, norms = measured.rows, measured.norms
    if asked.shape[1] != kept.shape[1]:
        raise InputError(f"queries have {asked.shape[1]} dimensions and references {kept.shape[1]}; they must agree")
    groups = _groups(query_groups, reference_groups, len(asked), len(kept))
    count = integer("k", k, minimum=1)
    distances = np.full((len(asked), count), np.inf)
    places = np.full((len(asked), count), -1, dtype=np.int64)
    if space.name == "cosine":  # a row of zeros lies as far from all as a row at a right angle
        norms = np.where(norms < 0.5, np.float32(1), norms)
    bounded = space.order_is_euclidean and norms.max(initial=0) < WIDEST and np.square(asked).max(initial=0) < WIDEST
    step = max(1, PRODUCT // max(1, len(kept)))
    for start in range(0, len(asked) if len(kept) else 0, step):
        part = slice(start, start + step)
        roughly, slack = _bounded(asked[part], kept, norms) if bounded else _in_float64(space, asked[part], kept)
        if groups is not None:
            roughly[groups[0][part, None] == groups[1][None]] = np.inf
        limits = _limits(roughly, count if bounded else count + SPARE) + slack
        for row, (rough, limit) in enumerate(zip(roughly, limits, strict=True), start):
            chosen = np.flatnonzero((rough <= limit) & (rough < np.inf))
            exact = space.distances(asked[row : row + 1], kept[chosen])[0]
            order = np.argsort(exact, kind="stable")[:count]
            distances[row, : len(order)], places[row, : len(order)] = exact[order], chosen[order]
    return Nearest(distances, places)


def _bounded(queries: Rows, references: Rows, norms: Rows) -> tuple[NDArray[Any], NDArray[Any]]:
    """Values (a, R) in whose order the references lie but for errors, and twice the bound of those errors, (a,)."""
    product = queries @ references.T
    product *= -2
    product += norms
    longest = np.sqrt(norms.max(initial=0)) + np.linalg.norm(queries, axis=1)
    unit = np.finfo(np.float32).eps / 2
    return product, 2 * (queries.shape[1] + 4) * unit * np.square(longest, dtype=np.float64) * 2


def _in_float64(space: Space, queries: Rows, references: Rows) -> tuple[NDArray[Any], NDArray[Any]]:
    """The same where no bound is known: distances by a product in float64, and no slack."""
    asked, kept = queries.astype(np.float64), references.astype(np.float64)
    own, other = np.square(asked).sum(1)[:, None], np.square(kept).sum(1)[None]
    return space.link(np.maximum(own + other - 2 * asked @ kept.T, 0), own, other), np.zeros(len(queries))


def _limits(values: NDArray[Any], count: int) -> NDArray[Any]:
    """The value of the count-th smallest of each row, (a,); infinite where there are no more."""
    if values.shape[1] <= count:
        return np.full(len(values), np.inf)
    found: NDArray[Any] = np.partition(values, count - 1, axis=1)[:, count - 1]
    return found


def _of_two(name: str, rows: ArrayLike) -> Rows:
    found = np.asarray(rows, dtype=np.float32)
    if found.ndim != 2:
        raise InputError(f"{name} must have the shape (rows, dimensions), got {found.shape}")
    return found


def _refuse_if_not_finite(name: str, rows: Rows) -> Rows:
    if not np.isfinite(rows).all():
        bad = int(np.flatnonzero(~np.isfinite(rows).all(1))[0])
        raise InputError(f"{name} hold NaN or infinity, first in row {bad}")
    return rows


def _groups(
    queries: ArrayLike | None, references: ArrayLike | None, asked: int, kept: int
) -> tuple[NDArray[Any], NDArray[Any]] | None:
    if queries is None and references is None:
        return None
    if queries is None or references is None:
        raise InputError("query_groups and reference_groups must be given together")
    first, second = np.asarray(queries), np.asarray(references)
    if first.shape != (asked,) or second.shape != (kept,):
        raise InputError(f"groups must be of the shapes ({asked},) and ({kept},), got {first.shape} and {second.shape}")
    return first, second
