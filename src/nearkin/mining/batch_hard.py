"""Batch-hard triplets."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core.tensors import masked_argmax, masked_argmin
from nearkin.mining.choice import Chosen, Miner, Picked
from nearkin.mining.nearest import lowest
from nearkin.mining.rows import strangers


class BatchHard(Miner):
    """Batch-hard [TRI-4]: each anchor's farthest positive and nearest negative; ties take the lowest index.

    Document 000 calls it "semi-hardcore" and prints a minimum over positives; its text, and this, take the maximum.
    """

    def choose(self, distances: Tensor, positives: Tensor, negatives: Tensor, noise: Tensor | None) -> Chosen:
        farthest, has_positive = masked_argmax(distances, positives)
        nearest, has_negative = masked_argmin(distances, negatives)
        return Chosen(farthest[:, None], nearest[:, None], (has_positive & has_negative)[:, None])

    def pick(
        self, distances: Tensor, index: Tensor, listed: Tensor, kin: Tensor, negatives: Tensor, scratch: Tensor
    ) -> Picked:
        """The same choice out of columns of positives and places of kin, in a buffer of the distances' shape."""
        if not distances.numel() or not index.shape[1]:
            empty = index.new_zeros(len(index), 0)
            return Picked(empty, empty, empty.bool())
        near = torch.where(listed, distances.gather(1, index), -torch.inf)
        farthest = listed & (near == near.amax(1, keepdim=True))
        slot = torch.where(farthest, index, distances.shape[1]).argmin(1, keepdim=True)
        nearest = lowest(strangers(distances, kin, scratch))
        return Picked(slot, nearest[:, None], (listed.any(1) & (negatives > 0))[:, None])
