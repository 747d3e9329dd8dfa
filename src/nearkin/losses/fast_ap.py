"""FastAP loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nearkin.core import integer
from nearkin.core.tensors import Block, Terms, added, traced
from nearkin.distances import Distance
from nearkin.losses.closed import Closed, Sums, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.positives import table_of_positives

CHUNK = 1 << 17
"""Numbers up to which all bins are made at once; above, one bin after the other in one buffer."""

ROUNDING = {torch.float32: 2.0**-22, torch.float64: 2.0**-50}
"""Share of all bins within which a place does not tell on which side of a bin's centre it lies; in float64 it is there."""

MANY = 1 / 64
"""Share of a block in doubt from which they are left as they are: classes that have collapsed lie on centres as a whole."""


class FastAP(RowLoss):
    """FastAP: one minus average precision, from soft histograms of distances [FAP-1].

    Equation:  1 - (1/|P|) sum_z h+_z H+_z / H_z, z = 0..L; h_z = sum_{j != i} [1 - (L/4) | |u(x_i) - u(x_j)|^2 - 4z/L |]_+
               over all columns, h+_z over positives, H_z and H+_z their sums up to z, z included; 0 where H_z = 0.
               Averaged over anchors with a positive. Computed as the mean share of negatives, (1/|P|) sum_z h+_z H-_z / H_z,
               which is 0 exactly where there is no negative. A graded positive weighs w in h+_z and 1 in H_z
    bins:      L, default 10: L + 1 triangular kernels over squared distances 0..4
    distance:  "cosine", whose rows are the normalised embeddings; |u(x) - u(z)|^2 is twice the cosine distance
    Gradient:  a pair pulls or pushes by the slope of its own bin; 0 where a distance lies on a bin's centre
    Cost:      `bins` passes over the block, O(b R) memory
    Source:    Cakir et al. 2019
    """

    distances = ("cosine",)

    def __init__(
        self,
        bins: int = 10,
        *,
        distance: Distance | str = "cosine",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.bins = integer("bins", bins, minimum=1)

    def rows(self, block: Block) -> Terms:
        index, valid, weights = table_of_positives(block)
        places = block.distances * (self.bins / 2)
        near = places.gather(1, index)
        below = soft_counts(places, block.negatives, self.bins)
        kin = soft_counts(near, valid, self.bins)
        graded = kin if block.weights is None else soft_counts(near, valid, self.bins, weights)
        everybody = below + kin
        share = torch.where(everybody > 0, below / torch.where(everybody > 0, everybody, 1), 0)
        cells = torch.diff(graded, dim=1, prepend=torch.zeros_like(graded[:, :1]))
        total = weights.sum(1)
        some = total > 0
        costs = (cells * share).sum(1) / torch.where(some, total, 1)
        return Terms(added(costs), added(some))

    def closed(self, tile: Tile) -> Closed:
        """The rows with their slopes made by hand."""
        scale, outside = self.bins / 2, -self.bins - 1.5
        back = torch.mul(tile.distances, -scale, out=tile.scratch)
        back.view(-1).index_fill_(0, tile.kin, outside)
        near = tile.positive_distances().mul_(scale)
        number = tile.listed.sum(1)
        below = _cumulated(back, self.bins, tile.negatives, tile.slope)
        kin = _cumulated(tile.only_listed(-near, outside), self.bins, number)
        everybody = (below + kin).clamp_(min=torch.finfo(near.dtype).tiny)
        each = number.clamp(min=1).to(near.dtype).reciprocal_()[:, None]
        share, nothing = below / everybody, torch.zeros_like(each)
        cells = torch.diff(kin, dim=1, prepend=nothing).mul_(each)
        pressed = cells / everybody
        to_kin = torch.diff(share, dim=1, append=nothing).mul_(each).addcmul_(pressed, share).mul_(scale)
        to_below = (pressed * kin / everybody).mul_(-scale)
        far = self._settled(back.neg_(), None, tile, tile.slope)
        near = self._settled(near, tile.index, tile, torch.empty_like(near))
        pull = tile.only_listed(_slopes(near, to_kin, self.bins))
        push = _slopes(far, to_below, self.bins, tile.slope)
        return Closed(Sums(added(cells * share), tile.counts.pulled()), pull, push)

    def _settled(self, places: Tensor, index: Tensor | None, tile: Tile, buffer: Tensor) -> Tensor:
        """Places (b, C) of which those too near to a bin's centre to tell its side, where slopes jump, lie in the middle of
        their cell, or at the centre. index: (b, C) their columns, None for all; near centre 0 distances are exact as they are"""
        if tile.exact is None or places.dtype != torch.float32:
            return places
        off = torch.clamp(places, min=0.5, out=buffer).frac_().sub_(0.5).abs_()
        doubtful = 0.5 - self.bins * ROUNDING[torch.float32]
        rows = (off.amax(1) > doubtful).nonzero()[:, 0] if off.shape[1] else off.new_empty(0, dtype=torch.int64)
        some, columns = (off[rows] > doubtful).nonzero(as_tuple=True)
        if 0 < len(some) <= MANY * tile.distances.numel():
            rows = rows[some]
            exact = tile.exact(rows, columns if index is None else index[rows, columns]) * (self.bins / 2)
            centre, middle = exact.round(), exact.floor() + 0.5
            there = (exact - centre).abs() <= self.bins * ROUNDING[torch.float64]
            places[rows, columns] = torch.where(there, centre, middle).to(places.dtype)
        return places

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"bins={self.bins}, {super().extra_repr()}"


def soft_counts(places: Tensor, mask: Tensor, bins: int, weights: Tensor | None = None) -> Tensor:
    """Cumulative soft histogram of each row over the mask: sum_j [z + 1 - y_j]_0^1 for z = 0..bins, y within 0..bins.

    That is sum_{z' <= z} [1 - |y - z'|]_+, the sum of triangular kernels at the whole numbers up to z.

    >>> soft_counts(torch.tensor([[0.25, 2.0]]), torch.tensor([[True, True]]), 2)
    tensor([[0.7500, 1.0000, 2.0000]])
    """
    if traced():
        return _plain(places, mask, bins, weights)
    counts: Tensor = _SoftCounts.apply(places, mask, bins, weights)  # type: ignore[no-untyped-call]
    return counts


class _SoftCounts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, places: Tensor, mask: Tensor, bins: int, weights: Tensor | None) -> Tensor:
        back = torch.where(mask, -places, -bins - 1)
        number = mask.sum(1) if weights is None else torch.where(mask, weights, 0).sum(1)
        counts = _cumulated(back, bins, number, weights=weights)
        ctx.save_for_backward(places, mask, weights)
        ctx.bins = bins
        return counts

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        places, mask, weights = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody will differentiate once more: the plain form has a graph
            counts = _plain(places, mask, ctx.bins, weights)
            (slope,) = torch.autograd.grad(counts, places, gradients[0], create_graph=True)
            return (slope, None, None, None)
        slope = _slopes(places, gradients[0].neg(), ctx.bins)
        slope = slope if weights is None else slope * weights
        return (torch.where(mask, slope, 0), None, None, None)


def _cumulated(
    back: Tensor, bins: int, number: Tensor, buffer: Tensor | None = None, weights: Tensor | None = None
) -> Tensor:
    """Soft counts (b, bins + 1) from -y (b, C); `number` is what there is in all. Below -bins is outside."""
    counts = back.new_empty(len(back), bins + 1)
    counts[:, bins] = number
    if back.numel() * bins <= CHUNK:
        ramps = (back[:, None] + torch.arange(1, bins + 1, device=back.device)[:, None]).clamp_(0, 1)
        counts[:, :bins] = (ramps if weights is None else ramps * weights[:, None]).sum(2)
        return counts
    buffer = torch.empty_like(back) if buffer is None else buffer
    for z in range(bins):
        torch.add(back, z + 1, out=buffer).clamp_(0, 1)
        counts[:, z] = (buffer if weights is None else buffer * weights).sum(1)
    return counts


def _slopes(places: Tensor, slopes: Tensor, bins: int, out: Tensor | None = None) -> Tensor:
    """The slope of each place: that of its cell out of (b, bins + 1), whose last is none; 0 at a bin's centre.

    `slopes` lose their last column. `out`: a buffer for the result; `places` are used up then.
    """
    slopes[:, bins] = 0
    cells = torch.floor(places, out=out)
    between = torch.ne(places, cells, out=None if out is None else places)
    return torch.gather(slopes, 1, cells.clamp_(0, bins).long(), out=out).mul_(between)


def _plain(places: Tensor, mask: Tensor, bins: int, weights: Tensor | None) -> Tensor:
    share = mask.to(places.dtype) if weights is None else torch.where(mask, weights, 0)
    ramps = [1 - torch.relu(1 - torch.relu(z + 1 - places)) for z in range(bins)]
    return torch.stack([(ramp * share).sum(1) for ramp in [*ramps, torch.ones_like(places)]], 1)
