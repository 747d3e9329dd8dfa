"""Supervised contrastive loss."""

from __future__ import annotations

import torch

from nearkin.core import positive
from nearkin.core.tensors import Block, Terms, added, masked_logsumexp, masked_sum
from nearkin.distances import Distance
from nearkin.losses.closed import Closed, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.shares import LEAST, falling, listed_only, negative_sums
from nearkin.losses.terms import positive_weights


class SupCon(RowLoss):
    """Supervised contrastive loss: each positive against everybody else, other positives included [SUP-1].

    Equation:  -1/|P| sum_{p in P} (s_p / t - log sum_{a in P u N} e^{s_a / t}), s = u(x)'u(z) of normalised embeddings;
               the mean over positives is outside of the logarithm. Averaged over anchors with a positive
    temperature: t, default 0.1, the paper's
    Graded:    a positive of weight w counts w times in the mean over positives
    distance:  default "cosine", with s = 1 - d; any other, with s = -d
    A batch of one class is not degenerate: its value is at least log(B - 1). The value has no factor t / t_0
    Source:    Khosla et al. 2020 eq 2. On one class pytorch-metric-learning gives 0
    """

    def __init__(
        self,
        temperature: float = 0.1,
        *,
        distance: Distance | str = "cosine",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.temperature = positive("temperature", temperature)

    def rows(self, block: Block) -> Terms:
        logits = -block.distances / self.temperature
        weights = positive_weights(block)
        valid = block.positives.any(1)
        crowd = masked_logsumexp(logits, block.positives | block.negatives)
        mean = masked_sum(weights * logits, block.positives) / torch.where(valid, weights.sum(1), 1)
        costs = torch.where(valid, torch.where(valid, crowd, 0) - mean, 0)
        return Terms(added(costs), added(valid))

    def closed(self, tile: Tile) -> Closed:
        """The same with its slopes: (1/|P| - its share) / t at a positive, minus its share / t at a negative."""
        rate, near = 1 / self.temperature, tile.positive_distances()
        logits = listed_only(tile, (1 - near).mul_(rate))
        bounded = falling(tile, rate, self.distance)
        strangers, peak = negative_sums(tile, bounded, None if bounded else logits)
        powers = (logits - peak).exp_()
        count = tile.listed.sum(1, keepdim=True, dtype=near.dtype)
        valid = count.clamp(max=1)
        total = (strangers + powers.sum(1, keepdim=True)).clamp_(min=LEAST)
        mean = near.sub_(1).mul_(tile.listed).sum(1, keepdim=True) / count.clamp(min=1)
        costs = mean.mul_(rate) + total.log().add_(peak).mul_(valid)
        inverse = valid / total
        pull = (tile.listed / count.clamp(min=1)).addcmul_(powers, inverse, value=-1).mul_(rate)
        return Closed(Terms(added(costs), added(valid)), pull, tile.slope.mul_(inverse.mul_(-rate)))

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"temperature={self.temperature:g}, {super().extra_repr()}"
