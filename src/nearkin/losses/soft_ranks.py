"""Soft ranks: how many columns are before each positive of a row, a positive at a time.

Time O(P b C), memory O(b C): neither the value nor the gradient ever holds a cube of (b, P, C). The gradient makes the
sigmoids again, one chunk of positives after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

CHUNK = 1 << 18
"""Sigmoids held at a time, or one positive of every row where that is more."""


def soft_ranks(
    distances: Tensor, index: Tensor, valid: Tensor, negatives: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """How many other positives and how many negatives lie before each positive: sum_k sigma((d_ij - d_ik) / temperature).

    Shapes:  distances, negatives (b, C); index, valid (b, P) of `positive_table` -> (b, P) and (b, P); what stands
             where `valid` is False means nothing
    """
    if torch.compiler.is_compiling():
        return _plain(distances, index, valid, negatives, temperature)
    found: tuple[Tensor, Tensor] = _SoftRanks.apply(distances, index, valid, negatives, temperature)  # type: ignore[no-untyped-call]
    return found


class _SoftRanks(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, distances: Tensor, index: Tensor, valid: Tensor, negatives: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor]:
        near = distances.gather(1, index)
        among, against = torch.zeros_like(near), torch.zeros_like(near)
        for crowd, counts, own in _crowds(distances, near, valid, negatives, among, against):
            for some, above in _sigmoids(near, crowd, temperature, own):
                counts[:, some] = above.sum(2)
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
        near = distances.gather(1, index)
        to_near, to_far = torch.zeros_like(near), torch.zeros_like(distances)
        to_kin = torch.zeros_like(near)
        outer = [torch.where(valid, gradient, 0) / ctx.temperature for gradient in gradients]
        slopes: Tensor | None = None
        for crowd, (weight, pulled), own in _crowds(
            distances, near, valid, negatives, (outer[0], to_kin), (outer[1], to_far)
        ):
            for some, above in _sigmoids(near, crowd, ctx.temperature, own):
                slopes = torch.addcmul(above, above, above, value=-1).mul_(weight[:, some, None])
                to_near[:, some] += slopes.sum(2)
                pulled -= slopes[:, 0] if slopes.shape[1] == 1 else slopes.sum(1)
        return (to_far.scatter_add_(1, index, torch.where(valid, to_near + to_kin, 0)), None, None, None, None)


def _crowds(
    distances: Tensor, near: Tensor, valid: Tensor, negatives: Tensor, kin: Any, strangers: Any
) -> list[tuple[Tensor, Any, bool]]:
    """The two sets of columns that may lie before a positive, +inf where nobody is; True: the positive itself is there."""
    return [
        (near.masked_fill(~valid, torch.inf), kin, True),
        (distances.masked_fill(~negatives, torch.inf), strangers, False),
    ]


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
