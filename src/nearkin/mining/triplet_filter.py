"""Rules that keep some of all triplets: counted, never listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nearkin.core.tensors import Block, added, traced
from nearkin.mining.all_triplets import Term, TripletSums
from nearkin.mining.choice import MiningRule, positive_table

Keep = Callable[[Tensor], Tensor]
"""Columns (b, c) of positives -> which columns (b, c, C) make a kept triplet with them, if they are negatives."""


class TripletFilter(MiningRule):
    """A rule that keeps or drops each triplet. Selection is detached; the distances of kept triplets carry the gradient."""

    def keeps(self, block: Block) -> Keep:
        """What the rule keeps of a block."""
        raise NotImplementedError


def kept_triplets(block: Block, rule: TripletFilter, term: Term) -> TripletSums:
    """Sum of f(d_ap - d_an) over the triplets of a block that the rule keeps, their number, and how many are above 0.

    Memory:  a few arrays of the block's shape; time O(P b C), P the largest number of positives of a row
    """
    keep, weights = rule.keeps(block), block.weights
    index, valid = positive_table(block.positives)
    share = None if weights is None else weights.gather(1, index).to(block.distances.dtype)
    if traced():
        return _cube(block.distances, index, valid, block.negatives, share, keep, term)
    return TripletSums(*_Kept.apply(block.distances, index, valid, block.negatives, share, keep, term))  # type: ignore[no-untyped-call]


class _Kept(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, distances: Tensor, index: Tensor, valid: Tensor, negatives: Tensor, share: Tensor | None,
        keep: Keep, term: Term,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        near = distances.gather(1, index)
        to_far, to_near = torch.zeros_like(distances), torch.zeros_like(near)
        sums = added(distances[:0]).expand(3).clone()
        for k in range(index.shape[1]):
            kept = keep(index[:, k : k + 1])[:, 0] & negatives & valid[:, k : k + 1]
            value, slope = (torch.where(kept, part, 0) for part in term(near[:, k : k + 1] - distances))
            seen = torch.stack([value.sum(1), kept.sum(1), (value > 0).sum(1)])
            if share is not None:
                seen, slope = seen * share[:, k], slope * share[:, k : k + 1]
            sums += seen.sum(1, dtype=sums.dtype)
            to_far -= slope
            to_near[:, k] = slope.sum(1)
        ctx.save_for_backward(distances, index, valid, negatives, share, to_far.scatter_add_(1, index, to_near))
        ctx.rule = keep, term
        total, count, active = sums.unbind()
        ctx.mark_non_differentiable(count, active)
        return total.clone(), count.clone(), active.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        distances, index, valid, negatives, share, slope = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody will differentiate once more: the plain form has a graph
            total = _cube(distances, index, valid, negatives, share, *ctx.rule).total
            (slope,) = torch.autograd.grad(total, distances, gradients[0], create_graph=True)
        else:
            slope = slope * gradients[0].to(slope.dtype)
        return (slope, None, None, None, None, None, None)


def _cube(
    distances: Tensor, index: Tensor, valid: Tensor, negatives: Tensor, share: Tensor | None, keep: Keep, term: Term
) -> TripletSums:
    """The same in one cube (b, P, C), with a graph: for a compiler, and for a second derivative."""
    near = distances.gather(1, index)
    kept = keep(index) & negatives[:, None] & valid[:, :, None]
    value = torch.where(kept, term(near[:, :, None] - distances[:, None])[0], 0)
    seen = [value.sum(2), kept.sum(2), (value.detach() > 0).sum(2)]
    return TripletSums(*(added(part if share is None else part * share) for part in seen))
