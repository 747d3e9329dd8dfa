"""Ranked list loss."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from nearkin.core import InputError, flag, non_negative, positive, within
from nearkin.core.tensors import LOG2E, Block, Terms, added, masked_sum, unrounded
from nearkin.distances import Distance, root
from nearkin.losses.closed import Closed, Sums, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.terms import positive_weights

FARTHEST = 2.5
"""No two distances d are that far apart."""


class _Side(NamedTuple):
    """mean: of the excesses of each row, 0 without one; factor: of its slopes; (b, 1) both."""

    mean: Tensor
    factor: Tensor


class RankedList(RowLoss):
    """Ranked list loss: positives within one radius, negatives beyond a larger one [RLL-1].

    Equation:  (1 - lambda) L_P + lambda L_N for an anchor, with d = |u(x) - u(z)| between normalised embeddings;
               L_P = mean of d - (alpha - m) over positives with d > alpha - m, weights e^{T_p (d - alpha + m)};
               L_N = mean of alpha - d over negatives with d < alpha, weights e^{T_n (alpha - d)}; an empty side is 0.
               Averaged over all anchors that have any pair, those of loss 0 included
    border:    alpha, what negatives should be beyond; default 1.2. d lies within 0..2
    margin:    m, default 0.4, at most alpha: positives should be within alpha - m = 0.8
    negative_temperature, positive_temperature: T_n = 10, T_p = 0 (all violating positives alike)
    balance:   lambda, default 0.5
    detach:    weights are constants for the gradient (default, as in the paper)
    distance:  "cosine", whose rows are the normalised embeddings; d = sqrt(2 cosine distance)
    Source:    Wang et al. 2019 eq 5-8. No small number is added to the divisors
    """

    mild = True

    distances = ("cosine",)

    def __init__(
        self,
        border: float = 1.2,
        margin: float = 0.4,
        *,
        negative_temperature: float = 10.0,
        positive_temperature: float = 0.0,
        balance: float = 0.5,
        detach: bool = True,
        distance: Distance | str = "cosine",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.border, self.margin = positive("border", border), non_negative("margin", margin)
        if self.margin > self.border:
            raise InputError(f"margin must be at most the border ({self.border:g}), got {margin!r}")
        self.negative_temperature = non_negative("negative_temperature", negative_temperature)
        self.positive_temperature = non_negative("positive_temperature", positive_temperature)
        self.balance, self.detach = within("balance", balance, 0, 1), flag("detach", detach)
        self.exact_gradient = not self.detach

    def rows(self, block: Block) -> Terms:
        d = root(2 * block.distances)
        inner = self.border - self.margin
        nearer, farther = (unrounded(each, d.dtype) for each in (inner, self.border))
        pull = self._side((d - inner) - nearer, positive_weights(block), self.positive_temperature)
        push = self._side((self.border - d) + farther, block.negatives.to(d.dtype), self.negative_temperature)
        costs = (1 - self.balance) * pull + self.balance * push
        some = (block.positives | block.negatives).any(1)
        return Terms(added(costs), added(some), added(costs.detach() > 0))

    def _side(self, excess: Tensor, weights: Tensor, temperature: float) -> Tensor:
        """Weighted mean of the excess of each row (b,), over entries above 0; 0 without one."""
        violating = (weights > 0) & (excess > 0)
        exponent = temperature * torch.where(violating, excess, 0)
        shift = exponent.detach().amax(1, keepdim=True) if exponent.shape[1] else 0
        share = torch.where(violating, torch.exp(exponent - shift) * weights, 0)
        share = share.detach() if self.detach else share
        sums = share.sum(1)
        some = sums > 0
        return torch.where(some, masked_sum(share * excess, violating) / torch.where(some, sums, 1), 0)

    def closed(self, tile: Tile) -> Closed:
        """The same with its slopes: c moves d = sqrt(2c) by 1/d, and not at all at 0."""
        inner, balance = self.border - self.margin, self.balance
        d = torch.mul(tile.distances, 2, out=tile.slope).sqrt_()
        d.view(-1).index_fill_(0, tile.kin, torch.inf)
        push = self._weigh(d.neg_(), -self.border, self.negative_temperature, tile.scratch)
        far = tile.scratch.mul_(push.factor.mul_(-balance * math.sqrt(0.5)))
        far.div_(torch.sqrt(tile.distances, out=tile.slope)).nan_to_num_(0, 0, 0)
        d = tile.positive_distances().mul_(2).sqrt_()
        near = torch.empty_like(d)
        pull = self._weigh(tile.only_listed(d.clone()), inner, self.positive_temperature, near)
        near.mul_(pull.factor.mul_(1 - balance)).div_(d).nan_to_num_(0, 0, 0)
        costs = pull.mean.mul_(1 - balance).add_(push.mean, alpha=balance)
        return Closed(Sums(added(costs), tile.counts.moved(), tile.nonzero(costs)), near, far)

    def _weigh(self, values: Tensor, border: float, temperature: float, slopes: Tensor) -> _Side:
        """The mean excess of values (b, C) beyond the border, and its slopes into `slopes`. The values are used up.

        All is told from the largest value of a row: differences of distances have digits where excesses lack them
        """
        torch.threshold_(values, border, -torch.inf)
        peak = _largest(values).clamp_(min=border)
        values.sub_(peak)
        if temperature:
            torch.mul(values, LOG2E * temperature, out=slopes).exp2_()
        else:
            torch.ge(values, -FARTHEST, out=slopes)
        values.clamp_(min=-FARTHEST)
        factor = slopes.sum(1, keepdim=True).clamp_(min=1).reciprocal_()  # the largest value weighs 1
        mean = torch.linalg.vecdot(slopes, values)[:, None].mul_(factor)
        if temperature and not self.detach:
            slopes.mul_(values.sub_(mean).mul_(temperature).add_(1))
        beyond = peak.sub_(border)
        beyond.sub_(torch.sign(beyond), alpha=unrounded(border, peak.dtype))  # 0 is a side without excess
        return _Side(mean.add_(beyond), factor)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return (
            f"border={self.border:g}, margin={self.margin:g}, negative_temperature={self.negative_temperature:g}, "
            f"positive_temperature={self.positive_temperature:g}, balance={self.balance:g}, detach={self.detach}, "
            f"{super().extra_repr()}"
        )


def _largest(values: Tensor) -> Tensor:
    """The largest value of each row, (b, 1); -infinity of none."""
    return values.amax(1, keepdim=True) if values.shape[1] else values.new_full((len(values), 1), -torch.inf)
