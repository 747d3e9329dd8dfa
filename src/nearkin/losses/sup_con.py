"""Supervised contrastive loss."""

from __future__ import annotations

import torch

from nearkin.core import positive
from nearkin.core.tensors import Block, Terms, added, masked_logsumexp, masked_sum
from nearkin.distances import Cosine, Distance
from nearkin.losses.closed import Closed, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.shares import FITTING, negative_shares, shares_of
from nearkin.losses.terms import positive_weights


class SupCon(RowLoss):
    """Supervised contrastive loss: each positive against everybody else, other positives included [SUP-1].

    Equation:  -1/|P| sum_{p in P} (s_p / t - log sum_{a in P u N} e^{s_a / t}), s = u(x)'u(z) between normalised embeddings;
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
        rate = 1 / self.temperature
        torch.mul(tile.distances, -rate, out=tile.slope)
        strangers, factor = negative_shares(tile, isinstance(self.distance, Cosine) and 2 * rate <= FITTING)
        logits = tile.positive_distances() * -rate
        count = tile.listed.sum(1, keepdim=True, dtype=logits.dtype)
        crowd = torch.logaddexp(strangers, masked_logsumexp(logits, tile.listed))
        valid = count > 0
        mean = torch.where(tile.listed, logits, 0).sum(1) / count[:, 0].clamp(min=1)
        costs = torch.where(valid[:, 0], crowd - mean, 0)
        pull = torch.where(tile.listed, 1 / count.clamp(min=1) - shares_of(tile, logits, crowd), 0) * rate
        part = torch.where(valid, (strangers - crowd).exp()[:, None], 0)
        return Closed(Terms(added(costs), added(valid)), pull, tile.slope.mul_(-rate * factor * part))

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"temperature={self.temperature:g}, {super().extra_repr()}"
