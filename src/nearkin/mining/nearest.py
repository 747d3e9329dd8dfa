"""The nearest negative beyond each positive, and the nearest and farthest of a row, without a copy for each positive."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nearkin.core.tensors import traced
from nearkin.mining.doubts import SLACK
from nearkin.mining.workspace import Workspace, on_cpu

PASSES = 64
"""Positives of a row up to which a pass for each is faster than sorting the row (float32 on a CPU)."""

CHUNK = 1 << 17
"""Numbers that are worked on at a time, so that they stay in a core's cache."""

ULPS = {kind: round(slack / torch.finfo(kind).eps * 2) for kind, slack in SLACK.items()}
"""The same as SLACK in steps from one number to the next."""

Array = np.ndarray[Any, Any]

Bits = {torch.float32: torch.int32, torch.float64: torch.int64}


class Answers(NamedTuple):
    """For each of (b, P) numbers the column of the nearest beyond it; and how many steps beyond that one is, and the next: all
    (P, b), the steps without a sign."""

    columns: Array
    least: Array
    following: Array

    @classmethod
    def of(cls, near: Tensor) -> Answers:
        """Room for them."""
        kinds = np.int64, *["uint32" if near.dtype == torch.float32 else "uint64"] * 2
        return cls(*[np.empty(near.shape[::-1], kind) for kind in kinds])

    def part(self, rows: slice) -> Answers:
        """Those of some rows."""
        return Answers(*[each[:, rows] for each in self])


def nearest_beyond(far: Tensor, near: Tensor, unclear: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """For each of `near` (b, P) the column of the least of `far` (b, R) that is strictly greater, and whether there is one.

    far: +inf where there is no candidate; ties take the lowest column. 0.3 ns a number and positive, or 20 ns a number
    unclear: (b, P) bool, becomes True where the rounding of distances >= 0 does not tell the answer from another number or
             its side of the positive; the answer says nothing there
    """
    if not near.numel() or not far.shape[1]:
        return torch.zeros_like(near, dtype=torch.int64), torch.zeros_like(near, dtype=torch.bool)
    wide = far.dtype != torch.float32 and near.shape[1] > PASSES
    if traced() or not on_cpu(far) or wide:
        columns = _by_order(far, near, unclear)
    else:
        columns = _by_integers(far, near, unclear)
    chosen = far.gather(1, columns)
    if unclear is not None:
        unclear &= chosen < torch.inf
    return columns, (chosen > near) & (chosen < torch.inf)


def lowest(values: Tensor) -> Tensor:
    """(b,) the first column of each row's least value."""
    return torch.from_numpy(values.numpy().argmin(1)) if on_cpu(values) else values.argmin(1)


def highest(values: Tensor) -> Tensor:
    """(b,) the first column of each row's greatest value."""
    return torch.from_numpy(values.numpy().argmax(1)) if on_cpu(values) else values.argmax(1)


def _by_order(far: Tensor, near: Tensor, unclear: Tensor | None) -> Tensor:
    ordered, order = far.sort(dim=1, stable=True)
    border = near if unclear is None else near * (1 - SLACK[far.dtype])
    place = torch.searchsorted(ordered, border.contiguous(), right=True).clamp_(max=far.shape[1] - 1)
    if unclear is not None:
        answer, following = (ordered.gather(1, each) for each in (place, (place + 1).clamp_(max=far.shape[1] - 1)))
        step = 1 + SLACK[far.dtype]
        alike = (following <= answer * step) & (place + 1 < far.shape[1])
        torch.logical_or(alike, (answer <= near * step) & (near > 0), out=unclear)
    return order.gather(1, place)


def _by_integers(far: Tensor, near: Tensor, unclear: Tensor | None) -> Tensor:
    """Integers in the order of the distances, so many rows at a time as a core's cache holds."""
    found, beyond = Answers.of(near), _beyond(near, unclear is not None)
    size = max(1, CHUNK // far.shape[1])
    form = _by_passes if near.shape[1] <= PASSES else _by_keys
    with Workspace(min(size, len(far)) * far.shape[1], far) as space:
        for start in range(0, len(far), size):
            rows = slice(start, start + size)
            form(far[rows], beyond[rows], found.part(rows), space, unclear is not None)
    if unclear is not None:
        ulps = ULPS[near.dtype]
        alike = (found.following - found.least <= ulps) | ((found.least < 2 * ulps) & (near > 0).T.numpy())
        unclear.copy_(torch.from_numpy(alike).T)
    return torch.from_numpy(found.columns).T


def _by_passes(far: Tensor, beyond: Tensor, found: Answers, space: Workspace, twice: bool) -> None:
    """With x the integer of a distance and y that of the positive, x - y - 1 read without a sign is least at the answer.

    Whoever is not farther wraps around to the top: x - y - 1 of two who are not farther is above that of two who are.
    """
    keys = _ordered(far, space)
    gaps = space.take("gaps", far.shape, keys.dtype)
    unsigned = gaps.numpy().view(found.least.dtype)
    rows, none = np.arange(len(far)), np.iinfo(unsigned.dtype).max
    for k in range(beyond.shape[1]):
        torch.sub(keys, beyond[:, k : k + 1], out=gaps)
        column = unsigned.argmin(1, out=found.columns[k])
        if twice:
            found.least[k] = unsigned[rows, column]
            unsigned[rows, column] = none
            unsigned.min(1, out=found.following[k])


def _by_keys(far: Tensor, beyond: Tensor, found: Answers, space: Workspace, twice: bool) -> None:
    """Rows of integers sorted at once: the distance above, its column below."""
    keys = space.take("keys", far.shape, torch.int64).copy_(_ordered(far, space))
    keys.bitwise_left_shift_(32).bitwise_or_(torch.arange(far.shape[1]))
    keys.numpy().sort(1)
    last, beyond = far.shape[1] - 1, beyond.long()
    place = torch.searchsorted(keys, beyond << 32)
    answer = keys.gather(1, place.clamp(max=last))
    found.columns[:] = answer.bitwise_and(0xFFFFFFFF).T.numpy()
    if twice:
        following = keys.gather(1, (place + 1).clamp_(max=last)).masked_fill_(place >= last, torch.iinfo(keys.dtype).max)
        for each, into in ((answer, found.least), (following, found.following)):
            into[:] = (each.bitwise_right_shift_(32) - beyond).T.numpy()  # less than 0 is a large number without a sign


def _beyond(near: Tensor, before: bool) -> Tensor:
    """Integers of the least numbers greater than `near`, or of those which rounding does not tell from `near`; at 0 there is no
    rounding."""
    keys = _ordered(near, None).add_(1)
    return torch.where(near > 0, keys - ULPS[near.dtype], keys) if before else keys


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
