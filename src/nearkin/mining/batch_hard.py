"""Batch-hard triplets."""

from __future__ import annotations

from torch import Tensor

from nearkin.core.tensors import masked_argmax, masked_argmin
from nearkin.mining.choice import Chosen, Miner, Picked, Sight
from nearkin.mining.nearest import highest, lowest
from nearkin.mining.settling import settled


class BatchHard(Miner):
    """Batch-hard [TRI-4]: each anchor's farthest positive and nearest negative; ties take the lowest index.

    Document 000 calls it "semi-hardcore" and prints a minimum over positives; its text, and this, take the maximum.
    """

    def choose(self, distances: Tensor, positives: Tensor, negatives: Tensor, noise: Tensor | None) -> Chosen:
        farthest, has_positive = masked_argmax(distances, positives)
        nearest, has_negative = masked_argmin(distances, negatives)
        return Chosen(farthest[:, None], nearest[:, None], (has_positive & has_negative)[:, None])

    def pick(self, near: Tensor, far: Tensor, sight: Sight | None = None) -> Picked:
        """The same choice out of distances of positives (b, P), columns rising, and of negatives in all columns (b, R).

        Where there is none `near` holds -inf, `far` +inf
        """
        if not near.numel() or not far.shape[1]:
            nobody = near[:, :0]
            return Picked(nobody.long(), nobody.long(), nobody)
        slot, negative = highest(near)[:, None], lowest(far)[:, None]
        if sight is not None:
            slot = settled(near, slot, sight.of_positives, largest=True)
            negative = settled(far, negative, sight.exact)
        return Picked(slot, negative, near.gather(1, slot) - far.gather(1, negative))
