"""Sums of exponentials over a tile's sides, and each entry's share of them, which is the slope of the logarithm."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core.tensors import masked_logsumexp
from nearkin.losses.closed import Tile

FITTING = 70.0
"""Logits within -FITTING..FITTING need no peak: exponentials fit float32, and so does the sum of a million of them."""


def negative_shares(tile: Tile, bounded: bool) -> tuple[Tensor, Tensor]:
    """log sum_n e^logit over the negatives of each row (b,), -inf without one, and a factor (b, 1).

    `tile.slope` holds the logits; afterwards it holds the exponentials, 0 at kin, which times the factor are each
    negative's share of the sum. bounded: all logits of the tile, kin's too, are within -FITTING..FITTING
    """
    logits = tile.slope
    if not bounded and logits.shape[1]:
        logits.view(-1).index_fill_(0, tile.kin, -torch.inf)
        peak = logits.amax(1, keepdim=True)
        logits.sub_(peak.clamp_(min=torch.finfo(peak.dtype).min)).exp_()
    else:
        peak = logits.new_zeros(len(logits), 1)
        logits.exp_().view(-1).index_fill_(0, tile.kin, 0)
    total = logits.sum(1, keepdim=True)
    logarithm = torch.where(total > 0, total.log() + peak, -torch.inf)
    return logarithm[:, 0], torch.where(total > 0, 1 / total, 0)


def positive_shares(tile: Tile, logits: Tensor) -> tuple[Tensor, Tensor]:
    """log sum_p e^logit over the listed (b, P) of each row (b,), -inf without one, and each one's share (b, P)."""
    logarithm = masked_logsumexp(logits, tile.listed)
    return logarithm, shares_of(tile, logits, logarithm)


def shares_of(tile: Tile, logits: Tensor, logarithm: Tensor) -> Tensor:
    """e^(logit - logarithm) of the listed positives (b, P), 0 elsewhere."""
    return torch.where(tile.listed, logits - logarithm[:, None], -torch.inf).exp_()
