"""The triplet network of Hoffer and Ailon."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import positive
from nearkin.core.tensors import Block, Terms
from nearkin.distances import Distance
from nearkin.losses.closed import Closed, Sums, Tile
from nearkin.losses.engine import RowLoss
from nearkin.mining import all_triplets
from nearkin.mining.smooth import counted_smooth, squared_share


class TripletNetwork(RowLoss):
    """Squared share of the positive's exponentiated distance, over all triplets [HOF-1, HOF-2].

    Equation:  scale (d+)^2,  d+ = e^{d_ap} / (e^{d_ap} + e^{d_an}) = sigma(d_ap - d_an)
    scale:     2 (default) is the squared norm |(d+, d- - 1)|^2 of the paper and of document 001 eq 4, whose constant
               is not given; 1 is the mean over the two components
    distance:  Euclidean, embeddings not normalised (on the unit sphere d+ cannot fall below 0.12)
    Input:     a labelled batch (all its triplets), `triplets=`, or three tensors: `loss(a, own=Own.triplets(p, n))`
    Gradient:  vanishes for very easy and for very wrong triplets; exponentials are never formed
    Source:    document 001 eq 4-6; Hoffer and Ailon 2015
    """

    def __init__(
        self,
        scale: float = 2.0,
        *,
        distance: Distance | str = "euclidean",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.scale = positive("scale", scale)

    def term(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """f(z) and its slope, z = d_ap - d_an."""
        share = torch.sigmoid(z)
        value = self.scale * share.square()
        return value, 2 * value * (1 - share)

    def rows(self, block: Block) -> Terms:
        total, count, _ = all_triplets(block.distances, block.positives, block.negatives, self.term, block.weights)
        return Terms(total, count)

    def closed(self, tile: Tile) -> Closed:
        """The rows with their slopes made by hand."""
        near = tile.positive_distances()
        found = tile.strangers()
        total, _, positives = counted_smooth(near, tile.listed, found.far, squared_share, found.slope, link=found.link)
        found.slope.mul_(self.scale)
        return Closed(Sums(self.scale * total, tile.counts.triplets()), self.scale * positives, found.negatives(near))

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"scale={self.scale:g}, {super().extra_repr()}"
