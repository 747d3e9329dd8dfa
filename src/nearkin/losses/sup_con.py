"""Supervised contrastive loss."""

from __future__ import annotations

import torch

from nearkin.core import positive
from nearkin.core.tensors import Block, Terms, added, masked_logsumexp, masked_sum
from nearkin.distances import Distance
from nearkin.losses.closed import Closed, Sums, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.shares import falling, listed_only, negative_sums
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
        rate = 1 / self.temperature
        similar = tile.positive_distances().neg_().add_(1)
        logits = listed_only(tile, similar * rate)
        bounded = falling(tile, rate, self.distance)
        strangers, peak = negative_sums(tile, bounded, None if bounded else logits)
        powers = logits.exp() if bounded else (logits - peak).exp_()
        total = strangers.add_(powers.sum(1, keepdim=True))
        costs, share = total.log() if bounded else total.log().add_(peak), tile.share()
        if not tile.torn():
            valid = tile.listed.any(1, keepdim=True)  # without a positive there is no term
            costs, total = torch.where(valid, costs, 0), torch.where(valid, total, torch.inf)
            similar = tile.only_listed(similar)
        costs = added(costs) - added(similar * share) * rate
        inverse = total.reciprocal_().mul_(rate)
        pull = powers.mul_(inverse).sub_(share * rate).neg_()
        return Closed(Sums(costs, tile.counts.pulled()), pull, tile.slope.mul_(inverse.neg_()))

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"temperature={self.temperature:g}, {super().extra_repr()}"
