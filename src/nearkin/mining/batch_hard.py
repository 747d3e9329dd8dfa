"""Batch-hard triplets."""

from __future__ import annotations

from torch import Tensor

from nearkin.core.tensors import masked_argmax, masked_argmin
from nearkin.mining.choice import Chosen, Miner, Picked
from nearkin.mining.nearest import lowest


class BatchHard(Miner):
    """Batch-hard [TRI-4]: each anchor's farthest positive and nearest negative; ties take the lowest index.

    Document 000 calls it "semi-hardcore" and prints a minimum over positives; its text, and this, take the maximum.
    """

    def choose(self, distances: Tensor, positives: Tensor, negatives: Tensor, noise: Tensor | None) -> Chosen:
        farthest, has_positive = masked_argmax(distances, positives)
        nearest, has_negative = masked_argmin(distances, negatives)
        return Chosen(farthest[:, None], nearest[:, None], (has_positive & has_negative)[:, None])

    def pick(self, near: Tensor, far: Tensor) -> Picked:
        """The same choice out of distances of positives (b, P), columns rising, and of negatives in all columns (b, R).

        Where there is none `near` holds -inf, `far` +inf
        """
        if not near.numel() or not far.shape[1]:
            nobody = near[:, :0]
            return Picked(nobody.long(), nobody.long(), nobody)
        farthest, slot = near.max(1, keepdim=True)
        negative = lowest(far)[:, None]
        return Picked(slot, negative, farthest - far.gather(1, negative))
