"""Every valid triplet, counted and never listed: O(triplets) arithmetic, O(block) memory, nothing cubic.

For anchor i and one positive p at a time, z_n = d_ip - d_in over all negatives is one pass over the row; a term f(z)
and its slope f'(z) give the value and the gradient: f'(z_n) is added to d_ip and taken from d_in. Zero terms cost
nothing more than the pass, and no difference of large sums is ever formed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nearkin.core.tensors import added, traced
from nearkin.mining.choice import positive_table

Term = Callable[[Tensor], tuple[Tensor, Tensor]]
"""z -> (f(z), f'(z)), elementwise, both 0 at z = -inf."""


class TripletSums(NamedTuple):
    """Over all valid triplets: the sum of f, the number of triplets, the number with f > 0 (or their weights' sums)."""

    total: Tensor
    valid: Tensor
    active: Tensor


def all_triplets(
    distances: Tensor, positives: Tensor, negatives: Tensor, term: Term, weights: Tensor | None = None
) -> TripletSums:
    """Sum of f(d_ap - d_an) over every positive p and negative n of each row.

    Shapes:  distances, positives, negatives, weights (b, C); a triplet has the weight of its positive pair
    Memory:  a few arrays of the block's shape; time O(P b C), P the largest number of positives of a row
    """
    negative_counts = negatives.sum(1)
    weighted = positives if weights is None else torch.where(positives, weights, 0)
    count = added(weighted.sum(1).to(torch.float64) * negative_counts)
    if traced():
        return _cube(distances, positives, negatives, term, weighted, count)
    index, valid = positive_table(positives)
    share = None if weights is None else weights.gather(1, index)
    total, active = _AllTriplets.apply(distances, index, valid, negatives, share, term)  # type: ignore[no-untyped-call]
    return TripletSums(total, count, active)


class _AllTriplets(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, distances: Tensor, index: Tensor, valid: Tensor, negatives: Tensor, share: Tensor | None, term: Term
    ) -> tuple[Tensor, Tensor]:
        far = distances.masked_fill(~negatives, torch.inf)
        near = distances.gather(1, index).masked_fill(~valid, -torch.inf)
        to_far, to_near = torch.zeros_like(distances), torch.zeros_like(near)
        z, flags = torch.empty_like(far), torch.empty_like(far)
        total = added(distances[:0])
        active = total.clone()
        for k in range(index.shape[1]):
            value, slope = term(torch.sub(near[:, k : k + 1], far, out=z))
            above = torch.gt(value, 0, out=flags).sum(1)
            if share is not None:
                value, slope, above = value * share[:, k : k + 1], slope * share[:, k : k + 1], above * share[:, k]
            active += added(above)
            total += added(value.sum(1))
            to_far -= slope
            to_near[:, k] = slope.sum(1)
        ctx.save_for_backward(distances, index, valid, negatives, share, to_far.scatter_add_(1, index, to_near))
        ctx.term = term
        ctx.mark_non_differentiable(active)
        return total, active

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        distances, index, valid, negatives, share, slope = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody will differentiate once more: the plain form has a graph
            total = _plain(distances, index, valid, negatives, share, ctx.term)
            (slope,) = torch.autograd.grad(total, distances, gradients[0], create_graph=True)
        else:
            slope = slope * gradients[0].to(slope.dtype)
        return (slope, None, None, None, None, None)


def _plain(
    distances: Tensor, index: Tensor, valid: Tensor, negatives: Tensor, share: Tensor | None, term: Term
) -> Tensor:
    near = distances.gather(1, index)
    total = added(distances[:0])
    for k in range(index.shape[1]):
        value = term(near[:, k : k + 1] - distances)[0]
        value = torch.where(negatives & valid[:, k : k + 1], value, 0)
        total = total + added(value if share is None else value * share[:, k : k + 1])
    return total


def _cube(
    distances: Tensor, positives: Tensor, negatives: Tensor, term: Term, weights: Tensor, count: Tensor
) -> TripletSums:
    """The same in one cube (b, C, C), for a compiler: no shape depends on labels."""
    value = term(distances[:, :, None] - distances[:, None, :])[0]
    value = torch.where(positives[:, :, None] & negatives[:, None, :], value, 0)
    active = added((value.detach() > 0).sum(2) * weights)
    return TripletSums(added(value * weights[:, :, None]), count, active)
