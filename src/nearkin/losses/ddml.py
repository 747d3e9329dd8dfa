"""The loss of discriminative deep metric learning."""

from __future__ import annotations

import torch

from nearkin.core import InputError, positive
from nearkin.core.tensors import Block, Terms, log1p_exp
from nearkin.distances import Distance
from nearkin.losses.engine import RowLoss
from nearkin.losses.terms import positive_weights, weighted_terms


class DDML(RowLoss):
    """Discriminative deep metric learning: pairs on the right side of a threshold, with room to spare [DDM-1].

    Equation:  1/2 g(1 - l (tau - d)), g(z) = (1/beta) log(1 + e^{beta z}), l = +1 same, -1 different; averaged over
               ordered pairs. Positives want d < tau - 1, negatives d > tau + 1
    threshold: tau, above 1, in units of the distance; default 3. On normalised embeddings squared distances are at
               most 4: take 2
    sharpness: beta, default 10; large: nearly a hinge
    distance:  default squared Euclidean, as in the paper
    Source:    baseline of document 003; Hu, Lu and Tan 2014 eq 5-6. The paper's penalty on weights is weight decay
    """

    def __init__(
        self,
        threshold: float = 3.0,
        *,
        sharpness: float = 10.0,
        distance: Distance | str = "squared-euclidean",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.threshold, self.sharpness = positive("threshold", threshold), positive("sharpness", sharpness)
        if not self.threshold > 1:
            raise InputError(f"threshold must be above 1, so that positives have room below it, got {threshold!r}")

    def rows(self, block: Block) -> Terms:
        sign = torch.where(block.positives, -1, 1)
        z = self.sharpness * (1 + sign * (self.threshold - block.distances))
        weights = positive_weights(block) + block.negatives
        return weighted_terms(log1p_exp(z) / (2 * self.sharpness), weights, active=False)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"threshold={self.threshold:g}, sharpness={self.sharpness:g}, {super().extra_repr()}"
