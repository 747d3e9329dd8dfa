"""The crowd of an anchor: log sum exp over its negatives in a tile's buffer, and the shares that are its slopes."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.losses.closed import Tile


def crowd(tile: Tile, scale: float, offset: float = 0.0) -> tuple[Tensor, Tensor]:
    """log sum_n e^(scale d_n + offset) over the negatives of each row (b,), -inf without one, and a factor (b, 1).

    `tile.slope` times the factor holds each negative's share of the sum, 0 at kin: the slope of the logarithm towards
    scale * d_n. Nothing overflows
    """
    powers = torch.mul(tile.distances, scale, out=tile.slope)
    powers.view(-1).index_fill_(0, tile.kin, -torch.inf)
    some = (tile.negatives > 0)[:, None]
    if not powers.shape[1]:
        return powers.new_full((len(powers),), -torch.inf), powers.new_zeros(len(powers), 1)
    peak = torch.where(some, powers.amax(1, keepdim=True), 0)
    total = powers.sub_(peak).exp_().sum(1, keepdim=True)
    logarithm = torch.where(some, total.log() + (peak + offset), -torch.inf)
    return logarithm[:, 0], torch.where(some, 1 / total, 0)
