"""Choices between distances that rounding does not tell apart, made of those few in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.mining.choice import Sight
from nearkin.mining.doubts import SLACK, Exact
from nearkin.mining.nearest import CHUNK, nearest_beyond

MOST = 16
"""Numbers a row up to which those that are as near as the nearest are looked at once more."""


def settled(values: Tensor, chosen: Tensor, exact: Exact, *, largest: bool = False) -> Tensor:
    """(b, 1) the column of each row's least distance, or greatest, out of those that rounding does not tell from the `chosen`.

    values: (b, C) >= 0, or +inf where it must not be chosen, -inf for the greatest;  chosen: (b, 1)
    exact:  rows (m,), columns (m,) -> the same values in float64. Ties take the lowest column

    Where rows are so much alike that such numbers are many, those chosen stay. At 0 there is no rounding
    """
    best, slack = values.gather(1, chosen), SLACK[values.dtype]
    close = values > best * (1 - slack) if largest else values < best * (1 + slack)
    count = int(close.count_nonzero())
    if count > MOST * len(values) or count == int(close.gather(1, chosen).count_nonzero()):
        return chosen
    rows, columns = close.nonzero().unbind(1)
    several = close.sum(1)[rows] > 1
    rows, columns = rows[several], columns[several]
    found = exact(rows, columns)
    if largest:
        found = -found
    least = found.new_full(values.shape[:1], torch.inf).scatter_reduce_(0, rows, found, "amin")
    first = found == least[rows]
    return chosen.flatten().scatter_reduce(0, rows[first], columns[first], "amin", include_self=False)[:, None]


def settled_beyond(far: Tensor, near: Tensor, sight: Sight) -> tuple[Tensor, Tensor]:
    """What `nearest_beyond` says of distances >= 0, by distances in float64 where rounding does not tell which is the nearest,
    or whether it is strictly greater.

    Where rows are so much alike that such numbers are many, those of rounded ones stay
    """
    unclear = torch.zeros_like(near, dtype=torch.bool)
    columns, found = nearest_beyond(far, near, unclear)
    rows, slots = unclear.logical_and_(near > -torch.inf).nonzero(as_tuple=True)
    most, size = MOST * len(far), max(1, CHUNK // max(far.shape[1], 1))
    if not len(rows):
        return columns, found
    if len(rows) > most:
        return nearest_beyond(far, near)
    for some, those in zip(rows.split(size), slots.split(size)):
        answer = _beyond(far, near, some, those, sight, most)
        if answer is None:
            return nearest_beyond(far, near)
        columns[some, those], found[some, those], most = answer
    return columns, found


def _beyond(
    far: Tensor, near: Tensor, rows: Tensor, slots: Tensor, sight: Sight, most: int
) -> tuple[Tensor, Tensor, int] | None:
    """The nearest beyond single positives (m,) and whether there is one: the nearest numbers that rounding does not tell apart
    are asked for in float64, and if none of them is greater than the positive, those that follow. What is left of `most` pairs
    that may be asked for; None if they are not enough.
    """
    step = 1 + 2 * SLACK[far.dtype]
    values, border = far[rows], sight.of_positives(rows, slots)
    values.masked_fill_(values <= near[rows, slots, None] / step, torch.inf)
    columns, found = torch.zeros_like(rows), torch.zeros_like(rows, dtype=torch.bool)
    left = torch.arange(len(rows), device=rows.device)
    while len(left):
        best = values[left].amin(1, keepdim=True)
        left, best = (each[best[:, 0] < torch.inf] for each in (left, best))
        place, close = (values[left] <= best * step).nonzero(as_tuple=True)
        asked = left[place]
        pairs, which = (rows[asked] * far.shape[1] + close).unique(return_inverse=True)
        most -= len(pairs)
        if most < 0:
            return None
        exact = sight.exact(pairs // far.shape[1], pairs % far.shape[1])[which]
        exact.masked_fill_(exact <= border[asked], torch.inf)
        least = exact.new_full(found.shape, torch.inf).scatter_reduce_(0, asked, exact, "amin")
        first = (exact == least[asked]) & (exact < torch.inf)
        columns.scatter_reduce_(0, asked[first], close[first], "amin", include_self=False)
        found |= least < torch.inf
        values[asked, close] = torch.inf
        left = left[~found[left]]
    return columns, found, most
