"""Sums of exponentials over a tile's sides, without a logarithm of nothing: the stuff of softmaxes in closed form.

Logits are in bits here, so that exponentials are powers of two: as exact as those of e, in a third of the time.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nearkin.core.tensors import LOG2E, added, log1p_exp
from nearkin.distances import Cosine, Distance
from nearkin.losses.closed import Closed, Sums, Tile

FITTING = 70.0
"""Logits within -FITTING..FITTING need no peak: exponentials fit float32, and so does the sum of a million of them."""

QUOTIENTS = 35.0
"""Logits within -QUOTIENTS..QUOTIENTS have sums of exponentials whose quotients fit float32 too."""

LOUD = 8.0
"""Rates from which on the rounding of a single positive's distance moves a gradient by about 1e-6."""

MINUS = torch.tensor(-1.0, device="cpu")
"""Divided by a tensor in one step, where a number takes two."""

LEAST = 1e-37
"""What a sum of exponentials is divided by at least: the sum of none is 0, and so are its shares."""


Sum = tuple[Tensor, Tensor | float]
"""A sum of powers of two less a peak in bits, and the peak: both (b, 1), or the peak 0."""


def falling(tile: Tile, rate: float, distance: Distance) -> float:
    """Put the logits of all columns into `tile.slope`, -rate d, of cosines rate (1 - d), in bits; tell what none is above in
    size, in natural units as FITTING and QUOTIENTS are."""
    bits = LOG2E * rate
    if isinstance(distance, Cosine):
        torch.sub(tile.distances.new_full((), bits), tile.distances, alpha=bits, out=tile.slope)
        return rate
    torch.mul(tile.distances, -bits, out=tile.slope)
    return rate * tile.reach


def sums(logits: Tensor, bounded: bool) -> Sum:
    """sum 2^(logit - peak) of each row of logits (b, P), (b, 1), and the peak, (b, 1) or 0; 0 for a row of -inf.

    `logits` become 2^(logit - peak). bounded: none overflows, and the peak is 0
    """
    peak = 0.0 if bounded or not logits.shape[1] else _peak(logits)
    powers = logits.exp2_() if isinstance(peak, float) else logits.sub_(peak).exp2_()
    return powers.sum(1, keepdim=True), peak


def negative_sums(tile: Tile, bounded: bool, others: Tensor | None = None) -> Sum:
    """`sums` over the negatives of each row: `tile.slope` holds the logits, and afterwards the exponentials, 0 at kin.

    bounded: no logit, kin's included, overflows. others: (b, P) logits that the peak has to cover too
    """
    powers = tile.slope
    if bounded or not powers.shape[1]:
        powers.exp2_().view(-1).index_fill_(0, tile.kin, 0)
        return powers.sum(1, keepdim=True), 0.0
    powers.view(-1).index_fill_(0, tile.kin, -math.inf)
    peak = _peak(powers)
    if others is not None and others.shape[1]:
        peak = peak.maximum(_peak(others))
    return powers.sub_(peak).exp2_().sum(1, keepdim=True), peak


def bounded_powers(tile: Tile) -> tuple[Tensor, Tensor]:
    """2^logit of the positives (b, P), of any column where not listed, and its sum over the negatives (b, 1).

    `tile.slope` holds the logits, of which none overflows, and afterwards the negatives' exponentials, 0 at kin
    """
    powers = tile.slope.exp2_()
    near = powers.gather(1, tile.index)
    powers.view(-1).index_fill_(0, tile.kin, 0)
    return near, powers.sum(1, keepdim=True)


def both_sums(tile: Tile, bounded: bool) -> tuple[Tensor, Sum, Sum]:
    """2^(logit - peak) of the positives (b, P), 0 where not listed, its `sums`, and those of the negatives, as
    `negative_sums` says."""
    if bounded:
        near, total = bounded_powers(tile)
        near = tile.only_listed(near)
        return near, (near.sum(1, keepdim=True), 0.0), (total, 0.0)
    near = tile.only_listed(tile.slope.gather(1, tile.index), -math.inf)
    strangers = negative_sums(tile, bounded=False)
    kin = sums(near, bounded=False)
    return near, kin, strangers


def _peak(logits: Tensor) -> Tensor:
    """The largest of each row, (b, 1), finite for a row of -inf."""
    return logits.amax(1, keepdim=True).clamp_(min=torch.finfo(logits.dtype).min)


def logarithm(total: Tensor, peak: Tensor | float) -> Tensor:
    """The natural logarithm of a sum of exponentials, from what `sums` says; -inf for the sum of none."""
    return total.log() if isinstance(peak, float) else total.log().add_(peak, alpha=1 / LOG2E)


def against(strangers: Sum, kin: Sum) -> tuple[Tensor, Tensor, Tensor]:
    """log(1 + N / P) of two sums of exponentials, N / (P + N) and -1 / (P + N).

    The second is the slope towards the logarithm of N; the third times the exponential of a stranger is its share of it,
    the other way. Both sums have a peak or none has; the third is for exponentials less that of the strangers
    """
    (total, peak), (near, top) = strangers, kin
    if isinstance(peak, float):
        whole = near + total
        return (total / near).log1p_(), total / whole, torch.div(MINUS, whole)
    z = logarithm(total, peak) - logarithm(near, top)
    slope = torch.sigmoid(z)
    return log1p_exp(z), slope, slope / total.clamp(min=LEAST).neg_()


def each_alone(tile: Tile, rate: float, distance: Distance) -> Closed:
    """log(1 + sum_n e^(rate (d_p - d_n))) of each positive p: its slope is rate sigma(z), a negative's its share of them."""
    tile.write_over()
    bounded = falling(tile, rate, distance) <= QUOTIENTS
    exact = _exact(tile, rate, distance)
    kin: Sum
    if bounded:
        near, total = bounded_powers(tile)
        if exact is not None:
            near = exact.exp_().to(near.dtype)
        strangers: Sum = total, 0.0
        kin = tile.only_listed(near, math.inf), 0.0
    else:
        near = tile.slope.gather(1, tile.index) if exact is None else exact.mul_(LOG2E).to(tile.slope.dtype)
        strangers = negative_sums(tile, bounded=False)
        kin = torch.ones_like(near), tile.only_listed(near, math.inf)
    costs, pull, shares = against(strangers, kin)
    if shares.shape[1] != 1:
        shares = shares.sum(1, keepdim=True)
    if rate != 1:
        pull.mul_(rate)
        shares.mul_(rate)
    return Closed(Sums(added(costs), tile.counts.pairs()), pull, tile.slope.mul_(shares))


def _exact(tile: Tile, rate: float, distance: Distance) -> Tensor | None:
    """The logits (b, 1) of one positive a row, as in InfoNCE, in float64 out of its exact distance, where the rate would
    show the rounding of the tile's; else None."""
    index = tile.index
    if tile.exact is None or rate < LOUD or index.shape[1] != 1:
        return None
    exact = tile.exact(torch.arange(index.shape[0], device=index.device), index[:, 0])
    return torch.rsub(exact, 1 if isinstance(distance, Cosine) else 0).mul_(rate).view_as(index)


def crowd(tile: Tile, rate: float, offset: float = 0.0) -> tuple[Tensor, Tensor]:
    """log sum_n e^(offset - rate d_n) over the negatives of each row (b, 1), -inf without one, and a factor (b, 1).

    `tile.slope` times the factor holds each negative's share of the sum, 0 at kin
    """
    torch.mul(tile.distances, -LOG2E * rate, out=tile.slope)
    total, peak = negative_sums(tile, rate * tile.reach <= FITTING)
    whole = logarithm(total, peak)
    if offset:
        whole.add_(offset)
    return whole, total.clamp_(min=LEAST).reciprocal_()


def listed_only(tile: Tile, logits: Tensor) -> Tensor:
    """The logits of listed positives (b, P), -inf elsewhere."""
    return tile.only_listed(logits, -math.inf)
