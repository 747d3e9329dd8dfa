"""Sums of exponentials over a tile's sides, without a logarithm of nothing: the stuff of softmaxes in closed form."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nearkin.distances import Cosine, Distance
from nearkin.losses.closed import Tile

FITTING = 70.0
"""Logits within -FITTING..FITTING need no peak: exponentials fit float32, and so does the sum of a million of them."""

LEAST = 1e-37
"""What a sum of exponentials is divided by at least: the sum of none is 0, and so are its shares."""


def falling(tile: Tile, rate: float, distance: Distance) -> bool:
    """Put the logits rate (1 - d) of all columns into `tile.slope`; tell whether they are within -FITTING..FITTING."""
    torch.sub(tile.distances.new_full((), rate), tile.distances, alpha=rate, out=tile.slope)
    return rate * (1 if isinstance(distance, Cosine) else 1 + tile.reach) <= FITTING


def negative_sums(tile: Tile, bounded: bool, others: Tensor | None = None) -> tuple[Tensor, Tensor | float]:
    """sum_n e^(logit - peak) over the negatives of each row (b, 1), 0 without one, and the peak, (b, 1) or 0.

    `tile.slope` holds the logits; afterwards the exponentials, 0 at kin. The logarithm of the sum of e^logit is
    log(sum) + peak. bounded: no logit, kin's included, overflows: the peak is 0. others: (b, P) logits that the peak
    has to cover too
    """
    powers = tile.slope
    if bounded or not powers.shape[1]:
        powers.exp_().view(-1).index_fill_(0, tile.kin, 0)
        return powers.sum(1, keepdim=True), 0.0
    powers.view(-1).index_fill_(0, tile.kin, -math.inf)
    peak = powers.amax(1, keepdim=True)
    if others is not None and others.shape[1]:
        peak = peak.maximum(others.amax(1, keepdim=True))
    peak.clamp_(min=torch.finfo(peak.dtype).min)
    return powers.sub_(peak).exp_().sum(1, keepdim=True), peak


def crowd(tile: Tile, rate: float, offset: float = 0.0) -> tuple[Tensor, Tensor]:
    """log sum_n e^(offset - rate d_n) over the negatives of each row (b, 1), -inf without one, and a factor (b, 1).

    `tile.slope` times the factor holds each negative's share of the sum, 0 at kin
    """
    torch.mul(tile.distances, -rate, out=tile.slope)
    total, peak = negative_sums(tile, rate * tile.reach <= FITTING)
    whole = total.log()
    if isinstance(peak, Tensor) or offset:
        whole.add_(peak + offset)
    return whole, total.clamp_(min=LEAST).reciprocal_()


def listed_only(tile: Tile, logits: Tensor) -> Tensor:
    """The logits of listed positives (b, P), -inf elsewhere."""
    return tile.only_listed(logits, -math.inf)
