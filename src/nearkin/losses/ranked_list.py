"""Ranked list loss."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import InputError, flag, non_negative, positive, within
from nearkin.core.tensors import Block, Terms, added, masked_sum
from nearkin.distances import Distance, root
from nearkin.losses.engine import RowLoss
from nearkin.losses.terms import positive_weights


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
        pull = self._side(d - (self.border - self.margin), positive_weights(block), self.positive_temperature)
        push = self._side(self.border - d, block.negatives.to(d.dtype), self.negative_temperature)
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

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return (
            f"border={self.border:g}, margin={self.margin:g}, negative_temperature={self.negative_temperature:g}, "
            f"positive_temperature={self.positive_temperature:g}, balance={self.balance:g}, detach={self.detach}, "
            f"{super().extra_repr()}"
        )
