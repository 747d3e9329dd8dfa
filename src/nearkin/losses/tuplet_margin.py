"""Tuplet margin loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nearkin.core import positive, within
from nearkin.core.tensors import Block, Terms, added, log1p_exp, masked_logsumexp
from nearkin.distances import Distance, root
from nearkin.losses.closed import Closed, Sums, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.shares import FITTING, LEAST, falling, logarithm, negative_sums
from nearkin.losses.terms import positive_weights, weighted_terms


class TupletMargin(RowLoss):
    """Tuplet margin loss: each positive pair, its angle slackened, against the anchor's negatives [TPM-1].

    Equation:  log(1 + sum_{k in N} e^{g (cos th_k - cos(th_p - b))}), th the angle between embeddings, averaged over
               ordered positive pairs whose anchor has a negative
    margin_deg: b in degrees, default 5.73 (0.1 rad): a positive pair need not be nearer than that
    scale:     g, default 64
    distance:  "cosine"; cos(th - b) = s cos b + sqrt(1 - s^2) sin b with s = 1 - d, which has a finite gradient for
               identical pairs (0 of the root) where an arccos has none
    Source:    Yu and Tao 2019
    """

    distances = ("cosine",)
    precise = True

    def __init__(
        self,
        margin_deg: float = 5.73,
        scale: float = 64.0,
        *,
        distance: Distance | str = "cosine",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.margin_deg, self.scale = within("margin_deg", margin_deg, 0, 90), positive("scale", scale)

    def rows(self, block: Block) -> Terms:
        some = block.negatives.any(1, keepdim=True)
        crowd = masked_logsumexp(-self.scale * block.distances, block.negatives)[:, None]
        weights = torch.where(some, positive_weights(block), 0)
        paired = weights > 0
        short = self.slackened(torch.where(paired, block.distances, 1))
        z = torch.where(paired, self.scale * short + torch.where(some, crowd, 0), 0)
        return weighted_terms(log1p_exp(z), weights, active=False)

    def closed(self, tile: Tile) -> Closed:
        """The same with its slopes: g sigma(z_p) sin(th_p - b) / sin th_p at a positive, minus a share else."""
        total, peak = negative_sums(tile, falling(tile, self.scale, self.distance) <= FITTING)
        near, b = tile.positive_distances(), math.radians(self.margin_deg)
        sine, cosine = (near * (2 - near)).clamp_(min=0).sqrt_(), 1 - near
        z = (cosine * -math.cos(b)).sub_(sine, alpha=math.sin(b)).mul_(self.scale) + logarithm(total, peak)
        shares = torch.sigmoid(z).mul_(self.scale) * tile.listed
        costs = log1p_exp(z) * tile.listed
        push = tile.slope.mul_(shares.sum(1, keepdim=True).neg_() / total.clamp_(min=LEAST))
        turning = torch.where(sine > 0, cosine / sine, 0)  # slope of the root: 0 for identical and opposite pairs
        pull = shares.mul_((turning * -math.sin(b)).add_(math.cos(b)))
        return Closed(Sums(added(costs), tile.counts.pairs()), pull, push)

    def slackened(self, distances: Tensor) -> Tensor:
        """1 - cos(th - b) of cosine distances."""
        b = math.radians(self.margin_deg)
        sine = root(distances * (2 - distances))
        return (1 - math.cos(b)) + distances * math.cos(b) - sine * math.sin(b)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"margin_deg={self.margin_deg:g}, scale={self.scale:g}, {super().extra_repr()}"
