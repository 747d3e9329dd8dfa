"""Multi-similarity loss, with or without its own mining."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import choice, non_negative, positive
from nearkin.core.tensors import LOG2E, Block, Terms, added, log1p_exp, masked_logsumexp
from nearkin.distances import Distance
from nearkin.losses.closed import Closed, Sums, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.shares import FITTING, negative_sums
from nearkin.losses.terms import positive_logsumexp


class MultiSimilarity(RowLoss):
    """Multi-similarity loss: a soft maximum of an anchor's positives, and one of its negatives [MSL-1].

    Equation:  1/a log(1 + sum_{p in P} e^{-a (s_p - b)}) + 1/c log(1 + sum_{n in N} e^{c (s_n - b)}), s = u(x)'u(z) of
               normalised embeddings; a side that is absent is 0. Averaged over all anchors that have any pair
    positive_scale: a, default 2: soft, all positives are pulled
    negative_scale: c, default 50: sharp, the nearest negatives are pushed
    base:      b, default 0.5: the similarity around which both sides turn. The paper gives 1, its code 0.5
    mining:    "multi-similarity": of an anchor with both sides only the positives with s_p - eps < max_N s and the
               negatives with s_n + eps > min_P s are kept, of others nothing; anchors that keep nothing count as 0.
               None (default): all pairs
    eps:       of the mining, default 0.1
    Graded:    a positive of weight w counts w times in its sum of exponentials
    distance:  "cosine"; s = 1 - d
    Source:    Wang et al. 2019 eq 10-12. The choice is made without gradient
    """

    distances = ("cosine",)

    def __init__(
        self,
        positive_scale: float = 2.0,
        negative_scale: float = 50.0,
        base: float = 0.5,
        *,
        mining: str | None = None,
        eps: float = 0.1,
        distance: Distance | str = "cosine",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.positive_scale = positive("positive_scale", positive_scale)
        self.negative_scale = positive("negative_scale", negative_scale)
        self.base, self.eps = non_negative("base", base), non_negative("eps", eps)
        self.mining = None if mining is None else choice("mining", mining, ("multi-similarity",))
        highest = max(self.negative_scale * (1 - self.base), self.positive_scale * (1 + self.base))
        if highest > FITTING:
            self.closed = None  # type: ignore[assignment, method-assign]

    def rows(self, block: Block) -> Terms:
        above = 1 - self.base - block.distances
        some = (block.positives | block.negatives).any(1)
        kept = block if self.mining is None else self._mined(block)
        pull = log1p_exp(positive_logsumexp(-self.positive_scale * above, kept)) / self.positive_scale
        push = log1p_exp(masked_logsumexp(self.negative_scale * above, kept.negatives)) / self.negative_scale
        costs = pull + push
        return Terms(added(costs), added(some), None if self.mining is None else added(costs.detach() > 0))

    def closed(self, tile: Tile) -> Closed:
        """The same with its slopes: at a positive its share of 1 + the sum of its side, at a negative minus that."""
        a, c, border = self.positive_scale, self.negative_scale, 1 - self.base
        bits = LOG2E * c
        torch.sub(tile.distances.new_full((), bits * border), tile.distances, alpha=bits, out=tile.slope)
        total, _ = negative_sums(tile, bounded=True)
        near = tile.positive_distances()
        powers = tile.only_listed((near - border).mul_(LOG2E * a).exp2_())
        if self.mining is not None:
            total = self._keep(tile, near, powers)
        pull = powers.sum(1, keepdim=True)
        costs = added(pull.log1p()) / a + added(total.log1p()) / c
        active = None if self.mining is None else tile.nonzero(pull + total)
        push = tile.slope.mul_(total.add_(1).reciprocal_().neg_())
        return Closed(Sums(costs, tile.counts.moved(), active), powers.div_(pull.add_(1)), push)

    def _keep(self, tile: Tile, near: Tensor, powers: Tensor) -> Tensor:
        """Make powers 0 of positives (b, P) and negatives (`tile.slope`) that the mining drops; the negatives' sums."""
        others = tile.scratch.copy_(tile.distances)
        others.view(-1).index_fill_(0, tile.kin, torch.inf)
        nearest, farthest = _least(others), -_least(tile.only_listed(-near, torch.inf))
        powers.mul_(near + self.eps > nearest)
        tile.slope.mul_(torch.lt(tile.distances, farthest + self.eps, out=tile.scratch))
        return tile.slope.sum(1, keepdim=True)

    def _mined(self, block: Block) -> Block:
        """The block with the pairs that the mining keeps."""
        d = block.distances.detach()
        nearest = _least(d.masked_fill(~block.negatives, torch.inf))
        farthest = -_least((-d).masked_fill(~block.positives, torch.inf))
        return block._replace(
            positives=block.positives & (d + self.eps > nearest),
            negatives=block.negatives & (d < farthest + self.eps),
        )

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return (
            f"positive_scale={self.positive_scale:g}, negative_scale={self.negative_scale:g}, base={self.base:g}, "
            f"mining={self.mining!r}, eps={self.eps:g}, {super().extra_repr()}"
        )


def _least(values: Tensor) -> Tensor:
    """The least value of each row, (b, 1); infinity of none."""
    return values.amin(1, keepdim=True) if values.shape[1] else values.new_full((len(values), 1), torch.inf)
