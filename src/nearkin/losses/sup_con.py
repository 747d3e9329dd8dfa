"""Supervised contrastive loss."""

from __future__ import annotations

import torch

from nearkin.core import positive
from nearkin.core.tensors import LOG2E, Block, Terms, added, cast, masked_logsumexp, masked_sum
from nearkin.distances import Cosine, Distance, wide
from nearkin.losses.closed import Closed, Sums, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.shares import FITTING, LEAST, falling, logarithm, negative_sums
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
        rate, share, dtype = 1 / self.temperature, tile.share(), tile.distances.dtype
        near = wide(tile.positive_distances()).mul_(-rate)  # a positive moves by a small difference of shares
        if isinstance(self.distance, Cosine):
            near.add_(rate)
        tile.write_over()
        bounded = falling(tile, rate, self.distance) <= FITTING
        logits = tile.only_listed(near * LOG2E, -torch.inf)
        strangers, peak = negative_sums(tile, bounded, None if bounded else logits)
        powers = (logits if bounded else logits.sub_(peak)).exp2_()
        total = powers.sum(1, keepdim=True).add_(strangers).clamp_(min=LEAST)
        costs = added((logarithm(total, peak) - near) * share)
        factor = total.reciprocal_().mul_(-rate)
        if not tile.torn():  # without a positive there is no term
            factor = torch.where(tile.pulled, factor, 0)
        pull = powers.mul_(factor).add_(share * rate)
        return Closed(Sums(costs, tile.counts.pulled()), cast(pull, dtype), tile.slope.mul_(cast(factor, dtype)))

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"temperature={self.temperature:g}, {super().extra_repr()}"
