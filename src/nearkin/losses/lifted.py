"""Lifted structured loss and its generalised form."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import non_negative
from nearkin.core.tensors import LOG2E, Block, Terms, added, masked_logsumexp
from nearkin.distances import Distance
from nearkin.losses.closed import Closed, Sums, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.shares import FITTING, LEAST, crowd, logarithm, negative_sums, sums
from nearkin.losses.terms import positive_weights, weighted_terms


class Lifted(RowLoss):
    """Lifted structured loss: a positive pair against the negatives of both its ends at once [LFT-1].

    Equation:  1/2 [J_ij]_+^2,  J_ij = LSE({m - d_ik : k in N(i)} u {m - d_jl : l in N(j)}) + d_ij, averaged over ordered
               positive pairs (i, j), those with J_ij < 0 included. A pair without a negative at either end is no term
    margin:    in units of the distance, default 1
    distance:  default Euclidean, not squared, embeddings not normalised; any other, asymmetric ones too (d_ij and d_ji
               are two pairs then)
    References: the crowd of a reference stands among the references, so labels must say which of them belong together
               (a matrix of pairs does not)
    Own:       own negatives join the crowd of their anchor, and so of every pair with it at one end; an own positive
               makes a pair with its anchor and has no crowd of its own. A ready triplet is 1/2 [m + d_ap - d_an]_+^2
    reduction: "mean", "mean_nonzero" or "sum". Blocks sweep twice
    Source:    document 004 eq 4-5 (whose N has three meanings); Song et al. 2016 eq 4
    """

    reductions = ("mean", "mean_nonzero", "sum")

    def __init__(
        self,
        margin: float = 1.0,
        *,
        distance: Distance | str = "euclidean",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.margin = non_negative("margin", margin)

    def prepare(self, block: Block) -> Tensor:
        """The crowd at one end: LSE_k(m - d_ik), -inf without negatives."""
        return masked_logsumexp(self.margin - block.distances, block.negatives)

    def rows(self, block: Block) -> Terms:
        nobody = torch.finfo(block.distances.dtype).min / 4
        here, there = (end.clamp(min=nobody) for end in _ends(block))
        crowd = torch.logaddexp(here[:, None], there[None])
        if block.own is not None:
            crowd = torch.cat([crowd, here[:, None].expand(-1, block.own.shape[1])], 1)
        weights = torch.where(crowd > nobody / 2, positive_weights(block), 0)
        return weighted_terms(torch.relu(crowd + block.distances).square() / 2, weights, active=True)

    closed_whole = True

    def ahead(self, tile: Tile) -> Tensor:
        """`prepare` of a tile."""
        return crowd(tile, 1.0, self.margin)[0]

    def closed(self, tile: Tile) -> Closed:
        """The rows with their slopes made by hand."""
        here, factor = crowd(tile, 1.0, self.margin)
        there = (here if tile.ahead is None else tile.ahead)[:, 0][tile.index]
        excess = torch.logaddexp(here, there).add_(tile.positive_distances()).relu_()
        share = torch.sigmoid(here - there)  # of this end in the crowd of both
        if not (tile.full and tile.torn()):
            valid = tile.listed & (tile.negatives > 0)[:, None]
            excess, share = torch.where(valid, excess, 0), torch.where(valid, share, 0)
        towards = (excess * share).sum(1, keepdim=True)
        if tile.symmetric:
            towards.mul_(2)  # the pair the other way round is as long
        else:
            towards.view(-1).index_add_(0, tile.index.flatten(), (excess * (1 - share)).flatten())
        push = tile.slope.mul_(factor.mul_(towards).neg_())
        return Closed(Sums(added(excess.square()) / 2, tile.counts.pairs(), tile.nonzero(excess)), excess, push)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"margin={self.margin:g}, {super().extra_repr()}"


class GeneralizedLifted(RowLoss):
    """Generalised lifted loss: all positives of an anchor against all its negatives [LFT-2].

    Equation:  [LSE_p(d_ap) + LSE_n(m - d_an)]_+, averaged over anchors with a positive and a negative; no square.
               A graded positive of weight w counts w times in its sum of exponentials
    margin:    in units of the distance, default 1
    distance:  default Euclidean, not squared
    reduction: "mean", "mean_nonzero" or "sum"
    Source:    Hermans et al. 2017 eq 8. Anchors without a positive are left out here; pytorch-metric-learning counts
               them with their negatives alone
    """

    reductions = ("mean", "mean_nonzero", "sum")

    def __init__(
        self,
        margin: float = 1.0,
        *,
        distance: Distance | str = "euclidean",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.margin = non_negative("margin", margin)

    def rows(self, block: Block) -> Terms:
        pull = block.distances if block.weights is None else block.distances + positive_weights(block).log()
        far = masked_logsumexp(pull, block.positives)
        near = masked_logsumexp(self.margin - block.distances, block.negatives)
        valid = block.positives.any(1) & block.negatives.any(1)
        kept = torch.relu(torch.where(valid, far + near, 0))
        return Terms(added(kept), added(valid), added(kept.detach() > 0))

    def closed(self, tile: Tile) -> Closed:
        """The rows with their slopes made by hand."""
        bounded = tile.reach + self.margin <= FITTING
        torch.sub(tile.distances.new_full((), LOG2E * self.margin), tile.distances, alpha=LOG2E, out=tile.slope)
        pull = tile.only_listed(tile.positive_distances().mul_(LOG2E), -torch.inf)
        strangers, peak = negative_sums(tile, bounded)
        kin, top = sums(pull, bounded)
        excess = logarithm(strangers, peak).add_(logarithm(kin, top))
        if not tile.torn():
            valid = tile.pulled & (tile.negatives > 0)[:, None]
            excess = torch.where(valid, excess, 0)
        excess = excess.relu_()
        active = excess.sign()
        push = tile.slope.mul_((active / strangers.clamp_(min=LEAST)).neg_())
        pull.mul_(active / kin.clamp_(min=LEAST))
        return Closed(Sums(added(excess), tile.counts.torn(), tile.nonzero(excess)), pull, push)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"margin={self.margin:g}, {super().extra_repr()}"


def _ends(block: Block) -> tuple[Tensor, Tensor]:
    if block.row is None or block.column is None:
        raise RuntimeError("the first sweep is missing: the engine makes it")
    return block.row, block.column
