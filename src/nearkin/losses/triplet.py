"""Triplet loss with a margin, over all triplets or those a miner chooses."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import InputError, choice, non_negative, suggestion
from nearkin.core.tensors import Block, Terms, added, log1p_exp
from nearkin.distances import Cosine, Distance, InnerProduct
from nearkin.losses.closed import Closed, Pairs, Strangers, Sums, Tile
from nearkin.losses.engine import RowLoss
from nearkin.mining import (
    MINERS,
    BatchHard,
    EasyPositive,
    Miner,
    MiningRule,
    MultiSimilarityMiner,
    SemiHard,
    TripletFilter,
    all_triplets,
    kept_triplets,
    make_miner,
)
from nearkin.mining.choice import Sight
from nearkin.mining.counted import counted_hinge
from nearkin.mining.doubts import Exact
from nearkin.mining.multi_similarity import surviving
from nearkin.mining.rows import strangers
from nearkin.mining.smooth import counted_smooth, soft_hinge

MARGIN = 0.2
"""Where nobody gives one."""

COUNTED = ("all", "semi-hard-set")

PICKING = (SemiHard, BatchHard, EasyPositive)
"""Miners that choose out of tables of positives, without masks."""


class Triplet(RowLoss):
    """Triplet loss: each positive must be nearer than the negative by a margin [TRI-1..6, SBH-1].

    Equation:  f(z), z = d_ap - d_an, averaged over triplets (a, p, n);
               hinge "linear" [z + m]_+, "squared" ([z + m]_+)^2, "soft" log(1 + e^z) (no margin)
    mining:    "all" valid triplets, counted and never listed; "semi-hard-set" all with d_ap < d_an < d_ap + m;
               "semi-hard" FaceNet's rule, one negative a positive pair; "batch-hard"; "random". On normalised embeddings:
               "distance-weighted", "easy-positive"; "angular" and "multi-similarity" filter all triplets, counted too.
               Or a Miner or TripletFilter of your own
    margin:    in units of the distance. Default 0.2; on squared distances it is another margin than on distances. Not for
               hinge "soft"
    distance:  default Euclidean. FaceNet (and document 000, 004): "squared-euclidean" on normalised embeddings, m = 0.2;
               document 002: Euclidean, m = 1
    reduction: "mean" over the triplets, zeros included; "mean_nonzero"; "sum"
    Source:    documents 000, 002, 003 eq 2, 004 eq 2; Schroff et al. 2015; Hermans et al. 2017. Document 000 prints
               the margin with a minus sign and a minimum over positives: both are corrected here
    """

    mild = True

    reductions = ("mean", "mean_nonzero", "sum")

    def __init__(
        self,
        margin: float = MARGIN,
        *,
        mining: MiningRule | str = "all",
        hinge: str = "linear",
        distance: Distance | str = "euclidean",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.hinge = choice("hinge", hinge, ("linear", "squared", "soft"))
        self.margin = non_negative("margin", margin)
        if self.hinge == "soft":
            if margin != MARGIN:
                raise InputError("hinge='soft' has no margin: leave margin out, or use hinge='linear' or 'squared'")
            self.margin = 0.0
        self.mining = _chosen(mining)
        self.uniforms = getattr(self.mining, "uniforms", 0)
        if getattr(self.mining, "directions", False) and not (
            self.distance.keeps_space or isinstance(self.distance, Cosine)
        ):
            raise InputError(
                f"{type(self.mining).__name__} chooses by the directions of embeddings, which {type(self.distance).__name__} does "
                "not keep; use distance 'cosine', 'euclidean', 'inner-product' or 'squared-euclidean'"
            )
        if isinstance(self.mining, MiningRule) and type(self.mining) not in (*PICKING, MultiSimilarityMiner):
            self.closed = None  # type: ignore[assignment, method-assign]
        if self.hinge == "soft" and self.reduction == "mean_nonzero":
            raise InputError("terms of hinge='soft' are never 0: use reduction='mean', not 'mean_nonzero'")
        if self.mining == "semi-hard-set" and self.hinge == "soft":
            raise InputError("semi-hard-set is bounded by the margin, which hinge='soft' does not have")

    def term(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """f(z) and its slope; both 0 at -inf."""
        if self.hinge == "soft":
            return log1p_exp(z), torch.sigmoid(z)
        excess = z + self.margin
        if self.mining == "semi-hard-set":
            excess = torch.where(z < 0, excess, -1)
        hinge = torch.relu(excess)
        if self.hinge == "squared":
            return hinge.square(), 2 * hinge
        return hinge, hinge.sign()

    def rows(self, block: Block) -> Terms:
        if isinstance(self.mining, Miner):
            return self._mined(block, self.mining)
        if isinstance(self.mining, TripletFilter):
            total, count, active = kept_triplets(block, self.mining, self.term)
            return Terms(total, count, None if self.hinge == "soft" else active)
        total, count, active = all_triplets(block.distances, block.positives, block.negatives, self.term, block.weights)
        if self.mining == "semi-hard-set":
            count = active
        return Terms(total, count, None if self.hinge == "soft" else active)

    def closed(self, tile: Tile) -> Closed:
        """The rows with their slopes made by hand."""
        if isinstance(self.mining, PICKING):
            return self._picked(tile, self.mining)
        if isinstance(self.mining, MultiSimilarityMiner):
            return self._surviving(tile, self.mining)
        near = tile.positive_distances()
        return self._counted(
            tile, tile.counts.triplets(), near, tile.index, tile.listed, tile.strangers(), full=tile.full
        )

    def _counted(
        self, tile: Tile, count: Tensor | float, near: Tensor, index: Tensor, listed: Tensor, others: Strangers,
        *, full: bool = False,
    ) -> Closed:  # fmt: skip
        """The terms of all triplets of positives `index` (b, P) at distances `near`, where listed, with negatives."""
        far, slope, link = others
        if self.hinge == "soft":
            total, _, positives = counted_smooth(near, listed, far, soft_hinge, slope, link=link)
            return Closed(Sums(total, count), positives, others.negatives(near))
        squared, band = self.hinge == "squared", self.mining == "semi-hard-set"
        total, active, positives = counted_hinge(
            near, index, listed, far, self.margin, slope, full=full, squared=squared, band=band, exact=self._exact(tile), link=link
        )
        return Closed(Sums(total, active if band else count, active), positives, others.negatives(near))

    def _exact(self, tile: Tile) -> Exact | None:
        """Distances in float64 where they say more than the tile's. The rounding of an inner product grows with the rows and
        not with itself: doubts cannot be told by its size."""
        return None if isinstance(self.distance, InnerProduct) else tile.exact

    def _surviving(self, tile: Tile, rule: MultiSimilarityMiner) -> Closed:
        """The terms of the triplets whose pairs a rule keeps, in tables as wide as what is kept of a row."""
        seen = tile.directions(tile.slope)
        near = tile.only_listed(seen.gather(1, tile.index), -torch.inf)
        positives, negatives = surviving(near, strangers(seen, tile.kin, tile.scratch), rule.eps)
        kept = positives.sum(1)
        widest = int(kept.amax()) if near.numel() else 0
        if not widest:
            nothing = added(near[:0])
            return Closed(Sums(nothing, 0, None if self.hinge == "soft" else nothing), torch.zeros_like(near), None)
        count = (kept * negatives.sum(1)).sum()
        far = torch.where(negatives, tile.distances, tile.distances.new_full((), torch.inf), out=tile.scratch)
        others = Strangers(far, tile.slope, None)
        if 2 * widest > near.shape[1]:
            return self._counted(tile, count, tile.positive_distances(), tile.index, positives, others)
        slots = torch.where(positives, near, -torch.inf).topk(widest, 1).indices
        index = tile.index.gather(1, slots)
        found = self._counted(tile, count, tile.distances.gather(1, index), index, positives.gather(1, slots), others)
        return found._replace(positives=torch.zeros_like(near).scatter_(1, slots, found.positives))

    def _picked(self, tile: Tile, miner: SemiHard | BatchHard | EasyPositive) -> Closed:
        """The terms of the triplets that a miner chooses, at the distances that the loss sees."""
        seen = tile.directions(tile.slope) if miner.directions else tile.distances
        near = tile.only_listed(seen.gather(1, tile.index), -torch.inf)
        exact = self._exact(tile)
        sight = None if exact is None or seen is not tile.distances else Sight(exact, tile.index)
        slot, negative, z = miner.pick(near, strangers(seen, tile.kin, tile.scratch), sight)
        if seen is not tile.distances:
            apart = tile.positive_distances().gather(1, slot) - tile.distances.gather(1, negative)
            z = torch.where(z > -torch.inf, apart, z)
        value, push = self.term(z)
        active = None if self.hinge == "soft" else tile.nonzero(value)
        pulled = torch.zeros_like(near).scatter_add_(1, slot, push)
        return Closed(Sums(added(value), added(z > -torch.inf), active), pulled, Pairs(negative, -push))

    def _mined(self, block: Block, miner: Miner) -> Terms:
        if not block.distances.shape[1]:  # no column to choose
            nothing = added(block.distances)
            return Terms(nothing, nothing, nothing)
        positive, negative, valid = miner.choose_in(block)
        z = block.distances.gather(1, positive) - block.distances.gather(1, negative)
        weights = valid if block.weights is None else block.weights.gather(1, positive) * valid
        kept = torch.where(valid, self.term(z)[0] * weights, 0)
        active = None if self.hinge == "soft" else added(torch.where(kept > 0, weights, 0).sum(1))
        return Terms(added(kept.sum(1)), added(weights.sum(1)), active)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        margin = "" if self.hinge == "soft" else f"margin={self.margin:g}, "
        return f"{margin}mining={self.mining!r}, hinge={self.hinge!r}, {super().extra_repr()}"


def _chosen(mining: MiningRule | str) -> MiningRule | str:
    """A rule of mining, or the name of a kind of triplets that are counted; an unknown name is answered with both."""
    if mining in COUNTED:
        return mining
    if isinstance(mining, str) and mining not in MINERS:
        known = sorted((*COUNTED, *MINERS))
        near = suggestion(mining, known)
        raise InputError(f"unknown miner {mining!r}{near}; known: {', '.join(known)} (nearkin list miners)")
    return make_miner(mining)
