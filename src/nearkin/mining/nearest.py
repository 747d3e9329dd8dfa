"""The nearest negative beyond each positive, and the nearest and farthest of a row, without a copy for each positive."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core.tensors import traced
from nearkin.mining.doubts import SLACK, Exact
from nearkin.mining.workspace import Workspace, on_cpu

PASSES = 64
"""Positives of a row up to which a pass for each is faster than sorting the row (float32 on a CPU)."""

CHUNK = 1 << 17
"""Numbers that are worked on at a time, so that they stay in a core's cache."""

MOST = 16
"""Numbers a row up to which those that are as near as the nearest are looked at once more."""

Bits = {torch.float32: torch.int32, torch.float64: torch.int64}


def nearest_beyond(far: Tensor, near: Tensor) -> tuple[Tensor, Tensor]:
    """For each of `near` (b, P) the column of the least of `far` (b, R) that is strictly greater, and whether there is one.

    far: +inf where there is no candidate; ties take the lowest column. 0.3 ns a number and positive, or 20 ns a number
    """
    if not near.numel() or not far.shape[1]:
        return torch.zeros_like(near, dtype=torch.int64), torch.zeros_like(near, dtype=torch.bool)
    wide = far.dtype != torch.float32 and near.shape[1] > PASSES
    if traced() or not on_cpu(far) or wide:
        columns = _by_order(far, near)
    else:
        columns = torch.empty(near.shape[::-1], dtype=torch.int64)
        size = max(1, CHUNK // far.shape[1])
        space = Workspace(min(size, len(far)) * far.shape[1], far.device)
        form = _by_passes if near.shape[1] <= PASSES else _by_keys
        for start in range(0, len(far), size):
            rows = slice(start, start + size)
            form(far[rows], near[rows], columns[:, rows], space)
        columns = columns.T
    chosen = far.gather(1, columns)
    return columns, (chosen > near) & (chosen < torch.inf)


def lowest(values: Tensor) -> Tensor:
    """(b,) the first column of each row's least value."""
    return torch.from_numpy(values.numpy().argmin(1)) if on_cpu(values) else values.argmin(1)


def highest(values: Tensor) -> Tensor:
    """(b,) the first column of each row's greatest value."""
    return torch.from_numpy(values.numpy().argmax(1)) if on_cpu(values) else values.argmax(1)


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


def _by_order(far: Tensor, near: Tensor) -> Tensor:
    ordered, order = far.sort(dim=1, stable=True)
    place = torch.searchsorted(ordered, near.contiguous(), right=True)
    return order.gather(1, place.clamp_(max=far.shape[1] - 1))


def _by_passes(far: Tensor, near: Tensor, columns: Tensor, space: Workspace) -> None:
    """With x the integer of a distance and y that of the positive, x - y - 1 read without a sign is least at the answer.

    Whoever is not farther wraps around to the top: x - y - 1 of two who are not farther is above that of two who are.
    """
    keys = _ordered(far, space)
    beyond = _ordered(near, None).add_(1)
    gaps = space.take("gaps", far.shape, keys.dtype)
    unsigned = gaps.numpy().view("uint32" if keys.dtype == torch.int32 else "uint64")
    for k in range(near.shape[1]):
        torch.sub(keys, beyond[:, k : k + 1], out=gaps)
        unsigned.argmin(1, out=columns[k].numpy())


def _by_keys(far: Tensor, near: Tensor, columns: Tensor, space: Workspace) -> None:
    """Rows of integers sorted at once: the distance above, its column below."""
    keys = space.take("keys", far.shape, torch.int64).copy_(_ordered(far, space))
    keys.bitwise_left_shift_(32).bitwise_or_(torch.arange(far.shape[1]))
    keys.numpy().sort(1)
    beyond = _ordered(near, None).long().add_(1).bitwise_left_shift_(32)
    place = torch.searchsorted(keys, beyond).clamp_(max=far.shape[1] - 1)
    columns.copy_(keys.gather(1, place).bitwise_and_(0xFFFFFFFF).T)


def _ordered(values: Tensor, space: Workspace | None) -> Tensor:
    """Integers in the order of the values; 0 and -0 are the same."""
    kind = Bits[values.dtype]
    bits = values.contiguous().view(kind)
    if space is not None and bits.amin() >= 0:
        return bits
    values = values + 0.0
    bits = values.view(kind)
    width = 8 * values.element_size() - 1
    return bits.bitwise_xor_((bits >> width).bitwise_and_(torch.iinfo(kind).max))
