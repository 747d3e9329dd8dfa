"""Circle loss."""

from __future__ import annotations

import math

import torch

from nearkin.core import non_negative, positive
from nearkin.core.tensors import LOG2E, Block, Terms, added, log1p_exp, masked_logsumexp
from nearkin.distances import Distance
from nearkin.losses.closed import Closed, Sums, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.shares import FITTING, LEAST, listed_only, logarithm, negative_sums
from nearkin.losses.terms import positive_logsumexp


class Circle(RowLoss):
    """Circle loss: similarities pulled to 1 and 0, the harder the farther they are from there [CIR-1].

    Equation:  log(1 + sum_{n in N} e^{g a_n (s_n - m)} sum_{p in P} e^{-g a_p (s_p - 1 + m)}), s = u(x)'u(z) between
               normalised embeddings, with weights a_n = [s_n + m]_+ and a_p = [1 + m - s_p]_+, constants for the
               gradient. Averaged over anchors with a positive and a negative
    margin:    m, default 0.4: positives should be above 1 - m, negatives below m
    scale:     g, default 80 (the paper's for fine-grained retrieval; 256 for faces)
    Graded:    a positive of weight w counts w times in its sum of exponentials
    distance:  "cosine"; s = 1 - d
    Source:    Sun et al. 2020 eq 6 and 8
    """

    distances = ("cosine",)
    exact_gradient = False
    precise = True

    def __init__(
        self,
        margin: float = 0.4,
        scale: float = 80.0,
        *,
        distance: Distance | str = "cosine",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.margin, self.scale = non_negative("margin", margin), positive("scale", scale)

    def rows(self, block: Block) -> Terms:
        d, m = block.distances, self.margin
        to_one, to_zero = torch.relu(d.detach() + m), torch.relu(1 + m - d.detach())
        pull = positive_logsumexp(self.scale * to_one * (d - m), block)
        push = masked_logsumexp(self.scale * to_zero * (1 - m - d), block.negatives)
        valid = block.positives.any(1) & block.negatives.any(1)
        costs = torch.where(valid, log1p_exp(torch.where(valid, pull + push, 0)), 0)
        return Terms(added(costs), added(valid))

    def closed(self, tile: Tile) -> Closed:
        """The same with its slopes: g sigma(z) times its weight and its share of its side, minus that at a negative."""
        m, root = self.margin, math.sqrt(LOG2E * self.scale)
        top = tile.distances.new_full((), (1 + m) * root)
        weights = torch.sub(top, tile.distances, alpha=root, out=tile.scratch).relu_()  # the logit in bits is w (w - 2 m root)
        torch.sub(weights, 2 * m * root, out=tile.slope).mul_(weights)
        total, peak = negative_sums(tile, self.scale * max(m * m, abs(1 - m * m)) <= FITTING)
        near = tile.positive_distances()
        steep = (near + m).mul_(self.scale)  # d >= 0, so that d + m is the weight
        logits = listed_only(tile, (near - m).mul_(steep))
        far = logits.logsumexp(1, keepdim=True)
        z = logarithm(total, peak) + far  # -inf without a positive, or without a negative
        slope = torch.sigmoid(z)
        push = tile.slope.mul_(weights).mul_((slope * (-self.scale / root)).div_(total.clamp_(min=LEAST)))
        pull = listed_only(tile, logits - far).exp_().mul_(steep).mul_(slope)
        return Closed(Sums(added(log1p_exp(z)), tile.counts.torn()), pull, push)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"margin={self.margin:g}, scale={self.scale:g}, {super().extra_repr()}"
