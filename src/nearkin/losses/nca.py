"""Neighbourhood components analysis as a loss."""

from __future__ import annotations

import torch

from nearkin.core import positive
from nearkin.core.tensors import Block, Terms, added, log1p_exp, masked_logsumexp
from nearkin.distances import Distance
from nearkin.losses.closed import Closed, Sums, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.shares import QUOTIENTS, against, both_sums, falling
from nearkin.losses.terms import positive_logsumexp


class NCA(RowLoss):
    """Neighbourhood components: the chance that a random neighbour is of the same class [NCA-1].

    Equation:  -log(sum_{p in P} e^{-c d_p} / sum_{j in P u N} e^{-c d_j}), averaged over anchors with a positive;
               computed as log(1 + e^{LSE_N - LSE_P}), so that a share near 1 keeps its digits
    scale:     c, default 1: how fast the chance of being drawn falls with the distance
    Graded:    a positive of weight w counts w times, above and below
    distance:  default squared Euclidean, embeddings not normalised; any other
    A batch of one class gives 0: every neighbour is right. Anchors without a positive are left out
    Source:    Goldberger et al. 2005, as a loss of a batch with the logarithm. pytorch-metric-learning is NaN without a
               positive
    """

    precise = 0  # it takes so few steps beside its distances that float64 would show: near ones are made twice

    def __init__(
        self,
        scale: float = 1.0,
        *,
        distance: Distance | str = "squared-euclidean",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.scale = positive("scale", scale)

    def rows(self, block: Block) -> Terms:
        logits = -self.scale * block.distances
        right, wrong = positive_logsumexp(logits, block), masked_logsumexp(logits, block.negatives)
        valid = block.positives.any(1)
        both = valid & block.negatives.any(1)
        costs = torch.where(both, log1p_exp(torch.where(both, wrong - right, 0)), 0)
        return Terms(added(costs), added(valid))

    def closed(self, tile: Tile) -> Closed:
        """The same with its slopes: c sigma(LSE_N - LSE_P) times its share of P at a positive, minus that of N else."""
        bounded = falling(tile, self.scale, self.distance) <= QUOTIENTS
        near, (total, peak), strangers = both_sums(tile, bounded)
        if not tile.torn():  # without a positive there is no term
            total = torch.where(tile.pulled, total, torch.inf)
        costs, slope, shares = against(strangers, (total, peak))
        pull = near.mul_(slope.div_(total))
        if self.scale != 1:
            pull.mul_(self.scale)
            shares.mul_(self.scale)
        return Closed(Sums(added(costs), tile.counts.pulled()), pull, tile.slope.mul_(shares))

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"scale={self.scale:g}, {super().extra_repr()}"
