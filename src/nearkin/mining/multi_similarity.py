"""Pairs that are no easier than the hardest of the other side, give or take."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import non_negative
from nearkin.core.tensors import Block
from nearkin.mining.directions import unit_distances
from nearkin.mining.triplet_filter import Keep, TripletFilter


class MultiSimilarityMiner(TripletFilter):
    """Multi-similarity mining [MIN-MS]: all triplets of pairs that nearly violate an order; counted, never listed.

    Equation:  a positive is kept where s_p - eps < max_N s, a negative where s_n + eps > min_P s, s = u(x)'u(z) between
               normalised embeddings, both strictly; a triplet is kept where both its pairs are. An anchor with one side
               alone keeps nothing
    eps:       default 0.1, in units of the cosine
    Source:    Wang et al. 2019. There the pairs go to the multi-similarity loss: `MultiSimilarity(mining="multi-similarity")`
    """

    directions = True

    def __init__(self, eps: float = 0.1) -> None:
        self.eps = non_negative("eps", eps)

    def keeps(self, block: Block) -> Keep:
        cosines = unit_distances(block).square() / 2
        positives, negatives = surviving_pairs(cosines, block.positives, block.negatives, self.eps)
        return lambda index: positives.gather(1, index)[:, :, None] & negatives[:, None]


def surviving_pairs(distances: Tensor, positives: Tensor, negatives: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The positives and negatives that multi-similarity mining keeps, (b, C) each, out of cosine distances (b, C)."""
    near = distances.masked_fill(~positives, -torch.inf)
    return surviving(near, distances.masked_fill(~negatives, torch.inf), eps)


def surviving(near: Tensor, far: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The same, (b, P) and (b, R), out of the positives' distances, -inf elsewhere, and the negatives', +inf elsewhere."""
    if not near.shape[1] or not far.shape[1]:
        return torch.zeros_like(near, dtype=torch.bool), torch.zeros_like(far, dtype=torch.bool)
    return near + eps > far.amin(1, keepdim=True), far - eps < near.amax(1, keepdim=True)
