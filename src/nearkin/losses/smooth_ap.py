"""Smooth-AP loss."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import positive
from nearkin.core.tensors import Block, Terms, added
from nearkin.distances import Distance
from nearkin.losses.closed import Closed, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.positives import table_of_positives
from nearkin.losses.soft_ranks import count_before, far_of, slopes_among, slopes_before, soft_ranks


class SmoothAP(RowLoss):
    """Smooth-AP: one minus average precision, with sigmoids for the steps of the ranks [SAP-1].

    Equation:  1 - (1/|P|) sum_{j in P} (1 + sum_{k in P, k != j} sigma(z_jk)) / (1 + sum_{k in P u N, k != j} sigma(z_jk)),
               z_jk = (d_ij - d_ik) / tau; on the default distance (s_ik - s_ij) / tau. Averaged over anchors with a positive.
               Computed as the mean share of negatives, which is 0 exactly where there is no negative. A graded
               positive weighs w in the mean over positives and 1 in a rank
    temperature: tau, in units of the distance, default 0.01; the nearer to 0, the nearer to the true precision, and the
               fewer pairs have a gradient
    distance:  default "cosine"
    Shapes:    one class or no negative gives 0; order and sizes of classes do not matter
    Cost:      O(P b R) time, O(b R) memory, P the largest class
    Source:    Brown et al. 2020. The query is not in its own gallery here. The authors' code (and pytorch-metric-learning)
               ranks it first, and needs classes of one size, sorted
    """

    precise = True

    def __init__(
        self,
        temperature: float = 0.01,
        *,
        distance: Distance | str = "cosine",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.temperature = positive("temperature", temperature)

    def rows(self, block: Block) -> Terms:
        index, valid, weights = table_of_positives(block)
        among, against = soft_ranks(block.distances, index, valid, block.negatives, self.temperature)
        lost = torch.where(valid, against / (1 + among + against), 0)
        total: Tensor = weights.sum(1)
        some = total > 0
        costs = (lost * weights).sum(1) / torch.where(some, total, 1)
        return Terms(added(costs), added(some))

    def closed(self, tile: Tile) -> Closed:
        """The rows with their slopes made by hand."""
        near, far = tile.positive_distances(), far_of(tile)
        kin = near.masked_fill(~tile.listed, torch.inf)
        before = count_before(near, kin, self.temperature, own=True).add_(1)
        number = tile.listed.sum(1, keepdim=True)
        share = torch.where(tile.listed, 1 / number.clamp(min=1).to(near.dtype), 0)

        def weigh(some: slice, counts: Tensor) -> Tensor:
            return share[:, some] * before[:, some] / (before[:, some] + counts).square_()

        against, pull = slopes_before(near, far, weigh, self.temperature, tile.slope.zero_())
        everybody = before + against
        pull += slopes_among(near, kin, -share * against / everybody.square(), self.temperature)
        total = added(share * against / everybody)
        return Closed(Terms(total, added(number > 0)), torch.where(tile.listed, pull, 0), tile.slope)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"temperature={self.temperature:g}, {super().extra_repr()}"
