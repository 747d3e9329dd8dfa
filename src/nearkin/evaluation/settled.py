"""Windows of the nearest references from candidates: exact keys of few pairs, and who must be asked in full.

The key of a pair comes from a float64 sum of differences here and from a float64 product in `Space.keys`. Both lie within
`error` of the true squared distance, so both give the same whole number where no rounding boundary lies within it, and the
same order where two candidates are further apart. A query for which neither holds is `open`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nearkin.evaluation.bounds import Bounds
from nearkin.evaluation.candidates import Candidates
from nearkin.evaluation.space import NEAR, NOTHING, Space

ROUNDING = 2.0**-53


class Settled(NamedTuple):
    """`order` (b, w) sorted keys, those of no candidate last; `squared` (b, w) in the same order; `open` (b,)."""

    order: Tensor
    squared: Tensor
    open: Tensor


def settle(bounds: Bounds, found: Candidates, depth: Tensor) -> Settled:
    """Exact keys of candidates; `depth` (b,) says up to where the order must be certain."""
    space = bounds.space
    queries = torch.from_numpy(found.queries).to(space.device)
    width = max(1, int(found.there.sum(1).masked_fill(found.crowded, 0).max()))
    columns, there = found.columns[:, :width], found.there[:, :width]  # they stand first, in the order of their bounds
    squared = space.squared(queries, columns)
    error = _error(bounds, queries, columns, there)
    noise = NOTHING * space.queries.norms[queries, None]
    low, level, high = (space.levels(value) for value in (squared - error, squared, squared + error))
    nothing = squared == 0
    low, high = low.masked_fill_(nothing, 0), high.masked_fill_(nothing, 0)
    key = torch.where(there, level << space.bits | columns, space.excluded_level << space.bits)
    order, place = key.sort(dim=1)
    low, high, there = (each.gather(1, place) for each in (low, high, there))
    unsure = there & (squared.gather(1, place) < 4 * noise) & (squared.gather(1, place) > 0)
    unsure[:, 1:] |= there[:, 1:] & ~_apart(low, high)
    counted = torch.arange(width, device=space.device) <= depth[:, None]
    unclear = found.crowded | _central(space, queries, error[:, 0]) | (unsure & counted).any(1)
    return Settled(order, squared.gather(1, place), unclear)


def _error(bounds: Bounds, queries: Tensor, columns: Tensor, there: Tensor) -> Tensor:
    """What a squared distance may be off, by a product or by differences, one number a query (b, 1)."""
    terms = len(bounds.shift) + 10
    farthest = bounds.references.halves[columns].masked_fill_(~there, 0).amax(1)
    return (16 * terms * ROUNDING * (bounds.queries.halves[queries] + farthest))[:, None]


def _central(space: Space, queries: Tensor, error: Tensor) -> Tensor:
    """(b,): queries so near the mean that `Space.keys` may take the product where a difference is called for."""
    own = (space.queries.take(queries) - space.references.mean).square_().sum(1)
    return (error > NEAR / 25 * own) | (own <= 1e-20 * space.queries.norms[queries])


def _apart(low: Tensor, high: Tensor) -> Tensor:
    """(b, w - 1): neighbours in the order whose order, or whose tie, is certain."""
    tied = (low[:, :-1] == high[:, :-1]) & (low[:, 1:] == high[:, 1:]) & (low[:, :-1] == low[:, 1:])
    return tied | (high[:, :-1] < low[:, 1:])
