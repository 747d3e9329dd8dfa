"""Recall@k surrogate."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nearkin.core import InputError, InputTypeError, choice, integer, positive
from nearkin.core.tensors import Block, Terms, added
from nearkin.distances import Distance
from nearkin.losses.closed import Closed, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.positives import table_of_positives
from nearkin.losses.soft_ranks import CHUNK, count_before, far_of, slopes_among, slopes_before, soft_ranks


class RecallAtK(RowLoss):
    """Recall@k surrogate: the positives among the first k, with sigmoids for both steps [RKS-1].

    Equation:  mean over k of 1 - min(R_k, k) / min(k, |P|), R_k = sum_{j in P} sigma((k - 1 - r_j) / t_1),
               r_j = sum_{z in P u N, z != j} sigma((d_ij - d_iz) / t_2) the number of columns before j; on the default
               distance (s_iz - s_ij) / t_2. Averaged over anchors with a positive. Graded positives have shares of R_k
               in proportion to their weights, which add up to |P|
    at:        the values of k, default (1, 2, 4, 8, 16)
    recall_temperature: t_1, in ranks, default 1
    rank_temperature: t_2, in units of the distance, default 0.01
    divisor:   "min", as above (default), or "positives": 1 - R_k / |P|, without the minimum, as we read the paper
    distance:  default "cosine"
    Value:     not one minus recall, not even for a perfect list: with t_1 = 1 a positive at rank k counts sigma(0) = 1/2.
               Without negatives it is what the positives make of each other
    Cost:      O(P b R) time, O(b R) memory, P the largest class
    Source:    Patel, Tolias and Matas 2022. The query is not in its own gallery here; the authors' code ranks it first, so
               that every rank is one too large, and needs classes of one size, in a row
    """

    precise = True

    def __init__(
        self,
        at: Sequence[int] = (1, 2, 4, 8, 16),
        *,
        recall_temperature: float = 1.0,
        rank_temperature: float = 0.01,
        divisor: str = "min",
        distance: Distance | str = "cosine",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        if not isinstance(at, tuple | list | range):
            raise InputTypeError(f"at must be a list of whole numbers, as (1, 2, 4), got {at!r}")
        if not at:
            raise InputError("at must name at least one k")
        self.at = tuple(integer("every k of at", k, minimum=1) for k in at)
        self.recall_temperature = positive("recall_temperature", recall_temperature)
        self.rank_temperature = positive("rank_temperature", rank_temperature)
        self.divisor = choice("divisor", divisor, ("min", "positives"))

    def rows(self, block: Block) -> Terms:
        index, valid, weights = table_of_positives(block)
        among, against = soft_ranks(block.distances, index, valid, block.negatives, self.rank_temperature)
        counts = valid.sum(1).to(weights.dtype)
        some = counts > 0
        shares = weights * (counts / torch.where(some, weights.sum(1), 1))[:, None]
        missed = [self._missed(k, among + against, shares, torch.where(some, counts, 1)) for k in self.at]
        costs = torch.where(some, torch.stack(missed).mean(0), 0)
        return Terms(added(costs), added(some))

    def _missed(self, k: int, ranks: Tensor, shares: Tensor, counts: Tensor) -> Tensor:
        """One minus the recall at k of each row, (b,)."""
        found = (torch.sigmoid((k - 1 - ranks) / self.recall_temperature) * shares).sum(1)
        if self.divisor == "positives":
            return 1 - found / counts
        return 1 - (k - torch.relu(k - found)) / counts.clamp(max=k)

    def closed(self, tile: Tile) -> Closed:
        """The rows with their slopes made by hand."""
        near, far = tile.positive_distances(), far_of(tile)
        kin = near.masked_fill(~tile.listed, torch.inf)
        ranks = count_before(near, kin, self.rank_temperature, own=True)
        ranks += count_before(near, far, self.rank_temperature)
        counts = tile.listed.sum(1, keepdim=True).to(near.dtype)
        some, counts = counts > 0, counts.clamp(min=1)
        costs, slope = torch.zeros_like(counts), torch.zeros_like(near)
        width = max(1, CHUNK // max(ranks.numel(), 1))
        for start in range(0, len(self.at), width):
            k = torch.tensor(self.at[start : start + width], dtype=near.dtype, device=near.device)[:, None, None]
            inside = torch.where(tile.listed, ((k - 1 - ranks) / self.recall_temperature).sigmoid_(), 0)
            found = inside.sum(2, keepdim=True)
            if self.divisor == "positives":
                divisor, moves = counts.expand_as(found), some
                missing = counts - found
            else:
                divisor, moves = counts.minimum(k), some & (found < k)
                missing = divisor - k + torch.relu(k - found)
            costs += (missing / divisor).sum(0)
            slope += torch.where(moves, inside * (1 - inside) / divisor, 0).sum(0)
        slope /= self.recall_temperature * len(self.at)
        pull = slopes_among(near, kin, slope, self.rank_temperature)
        pull += slopes_before(near, far, lambda some, _: slope[:, some], self.rank_temperature, tile.slope.zero_())[1]
        total = added(torch.where(some, costs, 0)) / len(self.at)
        return Closed(Terms(total, added(some)), torch.where(tile.listed, pull, 0), tile.slope)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return (
            f"at={self.at}, recall_temperature={self.recall_temperature:g}, "
            f"rank_temperature={self.rank_temperature:g}, divisor={self.divisor!r}, {super().extra_repr()}"
        )
