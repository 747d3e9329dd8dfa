"""Windows of the nearest references from candidates: exact keys of few pairs, and who must be asked in full.

Candidates whose bounds in float32 do not overlap are in order. Where they do, a float64 sum of differences gives the key
that `Space.keys` makes of a float64 product. Both lie within `error` of the true squared distance, so both are the same
whole number where no rounding boundary lies within it, and in the same order where two candidates are further apart. A
query for which neither holds is `open`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nearkin.evaluation.bounds import Bounds
from nearkin.evaluation.candidates import LOWEST, Candidates
from nearkin.evaluation.space import NEAR, NOTHING

ROUNDING = 2.0**-53


class Settled(NamedTuple):
    """`order` (b, w) sorted keys, those of no candidate last; `open` (b,).

    What stands above the index in a key counts the different distances of the query, from 0.
    """

    order: Tensor
    open: Tensor


def settle(bounds: Bounds, found: Candidates, depth: Tensor) -> Settled:
    """Keys of candidates; `depth` (b,) says up to where the order must be certain."""
    space, excluded = bounds.space, bounds.space.excluded_level << bounds.space.bits
    queries = torch.from_numpy(found.queries).to(space.device)
    width = max(1, int((found.upper > LOWEST).sum(1).masked_fill(found.crowded, 0).max()))
    columns, upper = found.columns[:, :width], found.upper[:, :width]
    there = upper > LOWEST
    lower = upper - bounds.queries.slack[queries, None] - bounds.references.slack[columns]
    parted = torch.ones_like(there)
    parted[:, 1:] = (lower.cummin(1).values[:, :-1] > upper[:, 1:]) | ~there[:, 1:]
    counted = torch.arange(width, device=space.device) <= depth[:, None]
    line, place = _overlapping(parted, there & counted).nonzero(as_tuple=True)
    level, low, high, unsure = (torch.zeros_like(columns) for _ in range(4))
    if len(line):
        pairs = _levels(bounds, queries[line], columns[line, place])
        for table, values in zip((level, low, high, unsure), pairs):
            table[line, place] = values
    run = parted.long().cumsum(1)
    order = torch.where(there, level << space.bits | columns, excluded).argsort(dim=1)
    order = order.gather(1, run.gather(1, order).argsort(dim=1, stable=True))
    level, low, high, unsure, run, columns, there = (
        each.gather(1, order) for each in (level, low, high, unsure, run, columns, there)
    )
    same = run[:, 1:] == run[:, :-1]
    tied = (low[:, 1:] == low[:, :-1]) & (low == high)[:, 1:] & (low == high)[:, :-1]
    unsure[:, 1:] |= same & ~tied & ~(high.cummax(1).values[:, :-1] < low[:, 1:])
    step = torch.zeros_like(run)
    step[:, 1:] = ~(same & (level[:, 1:] == level[:, :-1]))
    keys = torch.where(there, step.cumsum(1) << space.bits | columns, excluded)
    return Settled(keys, found.crowded | (unsure.bool() & there & counted).any(1))


def _overlapping(parted: Tensor, wanted: Tensor) -> Tensor:
    """(b, w): members of runs of overlapping candidates that hold one of the `wanted`."""
    run = parted.long().cumsum(1)
    last = run.masked_fill(~wanted, 0).amax(1, keepdim=True)
    alone = parted.clone()
    alone[:, :-1] &= parted[:, 1:]
    return (run <= last) & ~alone


def _levels(bounds: Bounds, query: Tensor, column: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Levels (n,) of pairs, the lowest and the highest that rounding may make of them, and whether they may be neither."""
    space = bounds.space
    squared = space.squared(query, column[:, None])[:, 0]
    halves = bounds.queries.halves[query] + bounds.references.halves[column]
    error = 16 * (len(bounds.shift) + 10) * ROUNDING * halves
    low, level, high = (space.levels(value) for value in (squared - error, squared, squared + error))
    nothing = squared == 0
    away = (space.references.centre - bounds.shift).square().sum().sqrt()
    own = ((2 * bounds.queries.halves[query]).sqrt() - away).clamp(min=0).square()  # no more than |q - centre|^2
    central = (error > NEAR / 25 * own) | (own <= 1e-20 * space.queries.norms[query])
    noise = ~nothing & (squared < 4 * NOTHING * space.queries.norms[query])
    return level, low.masked_fill_(nothing, 0), high.masked_fill_(nothing, 0), (central | noise).long()
