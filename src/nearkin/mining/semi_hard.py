"""Semi-hard negatives by FaceNet's rule."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import choice
from nearkin.core.tensors import masked_argmax
from nearkin.mining.choice import Chosen, Miner, Picked, Sight, positive_table
from nearkin.mining.nearest import highest, nearest_beyond
from nearkin.mining.settling import settled, settled_beyond


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

    def pick(self, near: Tensor, far: Tensor, sight: Sight | None = None) -> Picked:
        """The same choice out of distances of positives (b, P) and of negatives in all columns (b, R), which is used up.

        Where there is none `near` holds -inf, `far` +inf
        """
        slots = torch.arange(near.shape[1], device=near.device).expand(near.shape)
        negative, farther = nearest_beyond(far, near) if sight is None else settled_beyond(far, near, sight)
        if self.fallback == "skip" or bool(farther.all()):
            z = near - far.gather(1, negative)
            return Picked(slots, negative, torch.where(farther, z, -torch.inf) if self.fallback == "skip" else z)
        farthest = highest(far.masked_fill_(far == torch.inf, -torch.inf))[:, None]
        if sight is not None:
            farthest = settled(far, farthest, sight.exact, largest=True)
        negative = torch.where(farther, negative, farthest)
        z = near - far.gather(1, negative)
        return Picked(slots, negative, torch.where(z < torch.inf, z, -torch.inf))
