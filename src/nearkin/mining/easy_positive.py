"""Easy positives."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import choice
from nearkin.core.tensors import masked_argmin
from nearkin.mining.choice import Chosen, Miner, Picked, Sight
from nearkin.mining.nearest import lowest, nearest_beyond


class EasyPositive(Miner):
    """Easy positive [MIN-EP]: each anchor's nearest positive with a near negative; one triplet an anchor.

    Distances are |u(x) - u(z)| between normalised embeddings; ties take the lowest index.
    negatives: "hard" (default): the nearest; "semi-hard": the nearest that is strictly farther than the positive. An anchor
               without such a negative has no triplet
    Source:    Xuan, Stylianou and Pless 2020. Document 002 cites it for "semi-hard"
    """

    directions = True

    def __init__(self, negatives: str = "hard") -> None:
        self.negatives = choice("negatives", negatives, ("hard", "semi-hard"))

    def choose(self, distances: Tensor, positives: Tensor, negatives: Tensor, noise: Tensor | None) -> Chosen:
        near, has_positive = masked_argmin(distances, positives)
        if self.negatives == "semi-hard" and distances.shape[1]:
            negatives = negatives & (distances > distances.gather(1, near[:, None]))
        negative, has_negative = masked_argmin(distances, negatives)
        return Chosen(near[:, None], negative[:, None], (has_positive & has_negative)[:, None])

    def pick(self, near: Tensor, far: Tensor, sight: Sight | None = None) -> Picked:
        """The same choice out of distances of positives (b, P), columns rising, and of negatives in all columns (b, R).

        Where there is none `near` holds -inf, `far` +inf
        """
        if not near.numel() or not far.shape[1]:
            nobody = near[:, :0]
            return Picked(nobody.long(), nobody.long(), nobody)
        near = near.masked_fill(near == -torch.inf, torch.inf)
        slot = lowest(near)[:, None]
        nearest = near.gather(1, slot)
        if self.negatives == "semi-hard":
            negative, found = nearest_beyond(far, nearest)
        else:
            negative = lowest(far)[:, None]
            found = nearest < torch.inf
        return Picked(slot, negative, torch.where(found, nearest - far.gather(1, negative), -torch.inf))
