"""Semi-hard negatives by FaceNet's rule."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import choice
from nearkin.core.tensors import masked_argmax
from nearkin.mining.choice import Chosen, Miner, positive_table


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
        ordered, order = distances.masked_fill(~negatives, torch.inf).sort(dim=1, stable=True)
        place = torch.searchsorted(ordered, distances.gather(1, index).contiguous(), right=True)
        counts = negatives.sum(1, keepdim=True)
        farther = place < counts
        negative = order.gather(1, place.clamp(max=max(distances.shape[1] - 1, 0)))
        if self.fallback == "skip":
            return Chosen(index, negative, valid & farther)
        farthest, _ = masked_argmax(distances, negatives)
        return Chosen(index, torch.where(farther, negative, farthest[:, None]), valid & (counts > 0))
