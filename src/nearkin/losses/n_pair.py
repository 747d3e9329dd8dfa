"""N-pair loss."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import InputError, choice, non_negative
from nearkin.core.tensors import Block, Terms, added, log1p_exp, masked_logsumexp
from nearkin.distances import Distance
from nearkin.losses.closed import Closed, Tile
from nearkin.losses.engine import RowLoss
from nearkin.losses.shares import each_alone


class NPair(RowLoss):
    """N-pair loss: one positive against the negatives of all other classes at once [NP-1..3].

    Equation:  log(1 + sum_{k in N(i)} e^{d_ij - d_ik}), averaged over positive pairs (i, j) with a negative; on the
               default distance -x'z this is the cross-entropy of inner products (Sohn 2016 eq 7, 004 eq 3)
    pairs:     "first-two" (default): N-pair input. With references, they are the positives of the anchors; without,
               the first two members of each class in the batch, one as anchor and one as positive.
               "all": every ordered positive pair of the batch [NP-3]; other positives are not in the denominator
    l2:        lambda of + lambda/2 (|x_i|^2 + |x_j|^2) on each pair's embeddings [NP-2]; 0 by default, 0.002 is usual.
               It bounds growth; it cannot by itself undo a collapse
    distance:  default inner product, embeddings not normalised
    Source:    document 001 eq 7, 004 eq 3. 001 prints the logarithm outside the sum over anchors and the sum over
               negatives inside the exponential: unbounded below, not N-pair; corrected here
    """

    precise = 0  # products spoil none of their own

    def __init__(
        self,
        l2: float = 0.0,
        *,
        pairs: str = "first-two",
        distance: Distance | str = "inner-product",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.l2 = non_negative("l2", l2)
        self.pairs = choice("pairs", pairs, ("first-two", "all"))
        self.tuples = self.pairs == "first-two"
        self.parts = 2 if self.l2 else 1
        if self.l2:
            self.closed = None  # type: ignore[assignment, method-assign]
        if self.l2 and not self.distance.keeps_space:
            raise InputError(f"l2 needs the embeddings' own norms, which {type(self.distance).__name__} does not keep")

    def rows(self, block: Block) -> Terms | tuple[Terms, ...]:
        weights = block.positives if block.weights is None else torch.where(block.positives, block.weights, 0)
        crowd = masked_logsumexp(-block.distances, block.negatives)
        valid = block.positives & block.negatives.any(1, keepdim=True)
        z = block.distances + torch.where(block.negatives.any(1), crowd, 0)[:, None]
        kept = torch.where(valid, log1p_exp(torch.where(valid, z, 0)) * weights, 0)
        against = Terms(added(kept.sum(1)), added((valid * weights).sum(1)))
        return (against, self._norms(block, weights)) if self.l2 else against

    def closed(self, tile: Tile) -> Closed:
        """The rows with their slopes made by hand."""
        return each_alone(tile, 1.0, self.distance)

    def _norms(self, block: Block, weights: Tensor) -> Terms:
        """lambda/2 (|x_i|^2 + |x_j|^2) over positive pairs."""
        norms = block.references.square().sum(1).expand(len(block.anchors), -1)
        if block.own is not None:
            norms = torch.cat([norms, block.own.square().sum(2)], 1)
        both = block.anchors.square().sum(1, keepdim=True) + norms
        kept = torch.where(block.positives, both * weights * (self.l2 / 2), 0)
        return Terms(added(kept.sum(1)), added(weights.sum(1)))

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"l2={self.l2:g}, pairs={self.pairs!r}, {super().extra_repr()}"
