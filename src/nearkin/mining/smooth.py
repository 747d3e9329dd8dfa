"""Smooth terms over every valid triplet, value and slopes at once: no counting form exists, but no list is needed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nearkin.core.tensors import LOG2E, added
from nearkin.mining.passes import Counted
from nearkin.mining.rows import Link, Rows

InPlace = Callable[[Tensor, Tensor], Tensor]
"""(z, buffer) -> row sums of f(z); leaves f'(z) in z; both 0 at -inf."""


def counted_smooth(
    near: Tensor, listed: Tensor, far: Tensor, term: InPlace, slope: Tensor, *, link: Link | None = None
) -> Counted:
    """Sum of f(d_ap - d_an) over all positives and negatives of each row, one pass over the row for each positive.

    Shapes and buffers as in `counted_hinge`; `active` is NaN: a smooth term is never 0.
    """
    near = torch.where(listed, near, -torch.inf)
    rows = Rows(far, slope, listed, link)
    near = near if rows.order is None else near[rows.order]
    values, moved = near.new_zeros(len(near)), near.new_zeros(near.shape[::-1])
    for part, chunk, into in rows.chunks(0, len(near)):
        z, other = (rows.space.take(name, chunk.shape, chunk.dtype) for name in ("z", "other"))
        into.zero_()
        for k in range(max(rows.widths[part])):
            torch.sub(near[part, k : k + 1], chunk, out=z)
            values[part] += term(z, other)
            into.sub_(z)
            torch.sum(z, 1, out=moved[k, part])
    positives = moved.T
    if rows.order is not None:
        positives = torch.empty_like(near).index_copy_(0, rows.order, positives)
    return Counted(added(values), torch.full_like(added(values), torch.nan), positives)


def soft_hinge(z: Tensor, other: Tensor) -> Tensor:
    """log(1 + e^z), exact at both ends."""
    sums = torch.abs(z, out=other).mul_(-LOG2E).exp2_().log1p_().sum(1)
    sums += torch.clamp(z, min=0, out=other).sum(1)
    z.sigmoid_()
    return sums


def squared_share(z: Tensor, other: Tensor) -> Tensor:
    """sigma(z)^2, whose slope is 2 sigma(z)^2 (1 - sigma(z))."""
    z.sigmoid_()
    sums = torch.mul(z, z, out=other).sum(1)
    torch.addcmul(other, other, z, value=-1, out=z).mul_(2)
    return sums
