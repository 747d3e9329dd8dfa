"""NT-Xent loss: one term a positive pair, against the negatives of its anchor."""

from __future__ import annotations

import torch

from nearkin.core import positive
from nearkin.core.tensors import Block, Terms, log1p_exp, masked_logsumexp
from nearkin.distances import Distance
from nearkin.losses.closed import Closed, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.shares import each_alone
from nearkin.losses.terms import positive_weights, weighted_terms


class NTXent(RowLoss):
    """Normalised temperature-scaled cross-entropy: each positive pair against the anchor's negatives [NTX-1].

    Equation:  log(1 + sum_{k in N} e^{(s_k - s_p) / t}), s = u(x)'u(z) of normalised embeddings, averaged over ordered
               positive pairs whose anchor has a negative
    temperature: t, default 0.07; SimCLR's own is 0.5
    SimCLR:    two views of n images, one after the other, with labels arange(n).repeat(2): the denominator is then
               everybody else. InfoNCE: queries as embeddings, keys as references, both with labels arange(n)
    distance:  default "cosine", with s = 1 - d; any other, with s = -d ("inner-product" is the plain product)
    Other positives of the anchor are not in the denominator, unlike `SupCon`
    Source:    Chen et al. 2020 eq 1, for any number of positives. The value stays right at low temperatures: nowhere a
               logarithm of a quotient
    """

    def __init__(
        self,
        temperature: float = 0.07,
        *,
        distance: Distance | str = "cosine",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.temperature = positive("temperature", temperature)

    def rows(self, block: Block) -> Terms:
        scaled = block.distances / self.temperature
        some = block.negatives.any(1, keepdim=True)
        crowd = masked_logsumexp(-scaled, block.negatives)[:, None]
        weights = torch.where(some, positive_weights(block), 0)
        z = torch.where(weights > 0, scaled + torch.where(some, crowd, 0), 0)
        return weighted_terms(log1p_exp(z), weights, active=False)

    def closed(self, tile: Tile) -> Closed:
        """The same with its slopes: sigma(z_p) / t at a positive, minus its share of their sum at a negative."""
        return each_alone(tile, 1 / self.temperature, self.distance)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"temperature={self.temperature:g}, {super().extra_repr()}"
