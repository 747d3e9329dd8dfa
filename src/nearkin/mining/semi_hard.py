"""Semi-hard negatives by FaceNet's rule."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import choice
from nearkin.core.tensors import masked_argmax
from nearkin.mining.choice import Chosen, Miner, Picked, positive_table
from nearkin.mining.nearest import highest, nearest_beyond
from nearkin.mining.rows import strangers


class SemiHard(Miner):
    """FaceNet semi-hard [TRI-3]: for each positive pair (a, p) the nearest negative strictly farther than p.

    Ties take the lowest index. Where no negative is farther: `fallback="easiest"` takes the farthest negative (the
    common convention; the paper does not say), `"skip"` leaves the pair out. No upper bound: beyond the margin the
    term is 0 and still counts.
    """

    def __init__(self, fallback: str = "easiest") -> None:
        self.fallback = choice("fallback", fallback, ("easiest", "skip"))

    def choose(self, distances: Tensor, positives: Tensor, negatives: Tensor, noise: Tensor | None) -> Chosen:
        index, valid = positive_table(positives)
        far, near = distances.masked_fill(~negatives, torch.inf), distances.gather(1, index)
        negative, farther = nearest_beyond(far, near)
        if self.fallback == "skip":
            return Chosen(index, negative, valid & farther)
        farthest, some = masked_argmax(distances, negatives)
        return Chosen(index, torch.where(farther, negative, farthest[:, None]), valid & some[:, None])

    def pick(
        self, distances: Tensor, index: Tensor, listed: Tensor, kin: Tensor, negatives: Tensor, scratch: Tensor
    ) -> Picked:
        """The same choice out of columns of positives and places of kin, in a buffer of the distances' shape."""
        slots = torch.arange(index.shape[1], device=index.device).expand(index.shape)
        negative, farther = nearest_beyond(strangers(distances, kin, scratch), distances.gather(1, index))
        valid = listed & farther
        left = listed & ~farther & (negatives > 0)[:, None]
        if self.fallback == "skip" or not bool(left.any()):
            return Picked(slots, negative, valid)
        farthest = highest(strangers(distances, kin, scratch, -torch.inf))
        return Picked(slots, torch.where(farther, negative, farthest[:, None]), valid | left)
