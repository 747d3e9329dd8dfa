"""Soft ranks: how many columns are before each positive of a row, a positive at a time.

Time O(P b C), memory O(b C): neither the value nor the gradient ever holds a cube of (b, P, C). The gradient makes the
sigmoids again, one chunk of positives after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from nearkin.core.tensors import traced
from nearkin.losses.closed import Tile

CHUNK = 1 << 18
"""Sigmoids held at a time, or one positive of every row where that is more."""

Weigh = Callable[[slice, Tensor], Tensor]
"""A chunk of positives and the counts of theirs (b, c) -> what each count weighs in the total, (b, c)."""


def soft_ranks(
    distances: Tensor, index: Tensor, valid: Tensor, negatives: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """How many other positives and how many negatives lie before each positive: sum_k sigma((d_ij - d_ik) / temperature).

    Shapes:  distances, negatives (b, C); index, valid (b, P) of `positive_table` -> (b, P) and (b, P); what stands
             where `valid` is False means nothing
    """
    if traced():
        return _plain(distances, index, valid, negatives, temperature)
    found: tuple[Tensor, Tensor] = _SoftRanks.apply(distances, index, valid, negatives, temperature)  # type: ignore[no-untyped-call]
    return found


class _SoftRanks(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, distances: Tensor, index: Tensor, valid: Tensor, negatives: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor]:
        near = distances.gather(1, index)
        among = count_before(near, near.masked_fill(~valid, torch.inf), temperature, own=True)
        against = count_before(near, distances.masked_fill(~negatives, torch.inf), temperature)
        ctx.save_for_backward(distances, index, valid, negatives)
        ctx.temperature = temperature
        return among, against

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        distances, index, valid, negatives = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody will differentiate once more: the plain form has a graph
            ranks = _plain(distances, index, valid, negatives, ctx.temperature)
            (slope,) = torch.autograd.grad(ranks, distances, list(gradients), create_graph=True)
            return (slope, None, None, None, None)
        near, to_far = distances.gather(1, index), torch.zeros_like(distances)
        kin, far = near.masked_fill(~valid, torch.inf), distances.masked_fill(~negatives, torch.inf)
        weights = [torch.where(valid, gradient, 0) for gradient in gradients]
        to_near = slopes_among(near, kin, weights[0], ctx.temperature)
        to_near += slopes_before(near, far, lambda some, _: weights[1][:, some], ctx.temperature, to_far)[1]
        return (to_far.scatter_add_(1, index, torch.where(valid, to_near, 0)), None, None, None, None)


def count_before(near: Tensor, crowd: Tensor, temperature: float, own: bool = False) -> Tensor:
    """How many of the crowd (b, C) lie before each positive (b, P), softly; +inf is nobody. own: the crowd is `near` itself."""
    counts = torch.zeros_like(near)
    for some, above in _sigmoids(near, crowd, temperature, own):
        counts[:, some] = above.sum(2)
    return counts


def slopes_before(
    near: Tensor, crowd: Tensor, weigh: Weigh, temperature: float, pulled: Tensor, own: bool = False
) -> tuple[Tensor, Tensor]:
    """The counts, and the slopes of their sum by weights to each positive (b, P); those to the crowd are added to `pulled`."""
    counts, slopes = torch.zeros_like(near), torch.zeros_like(near)
    for some, above in _sigmoids(near, crowd, temperature, own):
        counts[:, some] = above.sum(2)
        weights = weigh(some, counts[:, some]) / temperature
        above.addcmul_(above, above, value=-1)
        slopes[:, some] = weights * above.sum(2)
        if above.shape[1] == 1:
            pulled.addcmul_(above[:, 0], weights, value=-1)
        else:
            pulled.sub_(torch.bmm(weights[:, None], above)[:, 0])
    return counts, slopes


def slopes_among(near: Tensor, kin: Tensor, weights: Tensor, temperature: float) -> Tensor:
    """Slopes to each positive (b, P) of the counts of positives before positives, both ends."""
    pulled = torch.zeros_like(near)
    return slopes_before(near, kin, lambda some, _: weights[:, some], temperature, pulled, own=True)[1] + pulled


def far_of(tile: Tile) -> Tensor:
    """Distances of the negatives of a tile, +inf elsewhere, in its scratch."""
    far = tile.scratch.copy_(tile.distances)
    far.view(-1).index_fill_(0, tile.kin, torch.inf)
    return far


def _sigmoids(near: Tensor, crowd: Tensor, temperature: float, own: bool) -> Iterator[tuple[slice, Tensor]]:
    """Chunks of positives and sigma((d_ij - d_ik) / temperature), (b, c, columns), in a buffer that is used again."""
    rows, columns = crowd.shape
    width = max(1, CHUNK // max(rows * columns, 1))
    buffer = near.new_empty(rows, min(width, near.shape[1]), columns)
    for start in range(0, near.shape[1], width):
        some = slice(start, min(start + width, near.shape[1]))
        above = torch.sub(near[:, some, None], crowd[:, None], out=buffer[:, : some.stop - start])
        above.div_(temperature).sigmoid_()
        if own:
            above.diagonal(start, 1, 2).zero_()
        yield some, above


def _plain(
    distances: Tensor, index: Tensor, valid: Tensor, negatives: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """The same in cubes, with a graph: for a compiler, and for a second derivative."""
    near = distances.gather(1, index)
    other = valid[:, None] & ~torch.eye(near.shape[1], dtype=torch.bool, device=near.device)
    among = torch.sigmoid((near[:, :, None] - near[:, None]) / temperature)
    against = torch.sigmoid((near[:, :, None] - distances[:, None]) / temperature)
    return torch.where(other, among, 0).sum(2), torch.where(negatives[:, None], against, 0).sum(2)
