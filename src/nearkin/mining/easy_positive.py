"""Easy positives."""

from __future__ import annotations

from torch import Tensor

from nearkin.core import choice
from nearkin.core.tensors import masked_argmin
from nearkin.mining.choice import Chosen, Miner


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
