"""All negatives of an N-tuple combined in one share."""

from __future__ import annotations

import torch

from nearkin.core import InputError, flag, positive
from nearkin.core.tensors import Block, Terms, added, log1p_exp, masked_logsumexp
from nearkin.distances import Distance
from nearkin.losses.engine import RowLoss


class CombinedNegatives(RowLoss):
    """The positive against all negatives of its tuple combined [CMB-1, CMB-2].

    Equation:  corrected (default): 1 - e^{-d+} / (e^{-d+} + sum_j e^{-d_j-}), ruled by the nearest negative;
               log: log(1 + sum_j e^{d+ - d_j-}) of the same share, whose gradient does not vanish for very wrong rows;
               printed: e^{d+} / (e^{d+} + sum_j e^{d_j-}), ruled by the farthest negative: one easy class silences
               all hard ones (document 001 eq 8, kept to show it). All three averaged over positive pairs
    scale:     multiplies the distances, default 1
    distance:  Euclidean, not squared; d+ = d(f_i, f_i+), d_j- = d(f_i, f_j+), the positives of the other classes
    Input:     a labelled batch (the first two members of each class), or loss(anchors, labels, references=positives)
    Source:    document 001 eq 8, which is not squared, unlike its eq 4, and names no reduction
    """

    tuples = True

    def __init__(
        self,
        *,
        printed: bool = False,
        log: bool = False,
        scale: float = 1.0,
        distance: Distance | str = "euclidean",
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__(distance, reduction=reduction, block_size=block_size)
        self.printed, self.log, self.scale = flag("printed", printed), flag("log", log), positive("scale", scale)
        if self.printed and self.log:
            raise InputError("log belongs to the corrected form: leave printed=False")

    def rows(self, block: Block) -> Terms:
        sign = 1 if self.printed else -1
        distances = self.scale * block.distances
        some = block.negatives.any(1, keepdim=True)
        crowd = torch.where(some, masked_logsumexp(sign * distances, block.negatives)[:, None], 0)
        valid = block.positives & some
        z = torch.where(valid, crowd - sign * distances, 0)  # log of (negatives' sum / positive's exponential)
        share = log1p_exp(z) if self.log else torch.sigmoid(-z if self.printed else z)
        weights = block.positives if block.weights is None else torch.where(block.positives, block.weights, 0)
        kept = torch.where(valid, share * weights, 0)
        return Terms(added(kept.sum(1)), added((valid * weights).sum(1)))

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"printed={self.printed}, log={self.log}, scale={self.scale:g}, {super().extra_repr()}"
