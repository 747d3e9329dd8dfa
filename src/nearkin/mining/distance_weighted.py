"""Negatives drawn by the inverse density of distances on the sphere."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import InputError, integer, positive
from nearkin.core.tensors import Block
from nearkin.distances import wide
from nearkin.mining.choice import Chosen, Miner, positive_table
from nearkin.mining.directions import unit_distances

FLOOR = 1e-8
"""Least value of 1 - d^2 / 4 in the logarithm of the density."""


class DistanceWeighted(Miner):
    """Distance-weighted [MIN-DW]: for each positive pair one negative, drawn so that all distances are about as likely.

    Equation:  d = |u(x) - u(z)| between normalised embeddings of dimension D; a negative with d < upper is drawn with a
               probability in proportion to 1 / q(max(d, cutoff)), log q = (D - 2) log d + (D - 3)/2 log(1 - d^2 / 4), the
               density of distances between random points of the sphere. An anchor without such a negative draws nothing
    cutoff:    default 0.5: nearer negatives are as likely as one there, so that noise does not dominate
    upper:     default 1.4: negatives that far have no loss to give, and are left out
    effective_dimensions: D; default that of the embeddings. Where they fill a space of fewer dimensions, weights of the
               full D leave only the very nearest: say how many there are
    Draws:     one uniform an anchor, u; its positive pair number j of P takes u + j / P modulo 1. So every pair draws by
               the probabilities above, and the pairs of an anchor draw different negatives rather than one several times
    Source:    Wu et al. 2017. 1 - d^2 / 4 is floored at 1e-8; D of 3 or fewer is degenerate but finite
    """

    uniforms = 1
    directions = True

    def __init__(self, cutoff: float = 0.5, upper: float = 1.4, effective_dimensions: int | None = None) -> None:
        self.cutoff, self.upper = positive("cutoff", cutoff), positive("upper", upper)
        given = effective_dimensions
        self.effective_dimensions = None if given is None else integer("effective_dimensions", given, minimum=1)

    def choose(self, distances: Tensor, positives: Tensor, negatives: Tensor, noise: Tensor | None) -> Chosen:
        if self.effective_dimensions is None:
            raise InputError(
                "distance-weighted mining needs the number of dimensions: use choose_in(block), or give effective_dimensions"
            )
        return self._draw(self.probabilities(distances, negatives, self.effective_dimensions), positives, noise)

    def choose_in(self, block: Block) -> Chosen:
        dimensions = self.effective_dimensions or block.anchors.shape[1]
        return self._draw(
            self.probabilities(unit_distances(block), block.negatives, dimensions), block.positives, block.noise
        )

    def probabilities(self, distances: Tensor, negatives: Tensor, dimensions: int) -> Tensor:
        """Probability of each column of each row, (b, C), out of distances of normalised embeddings; 0 for all where none is."""
        d = wide(distances).clamp(min=self.cutoff)
        density = (dimensions - 2) * d.log() + (dimensions - 3) / 2 * (1 - d.square() / 4).clamp(min=FLOOR).log()
        candidates = negatives & (distances < self.upper)
        some = candidates.any(1, keepdim=True)
        kept = (-density).masked_fill(~candidates, -torch.inf).masked_fill(~some, 0)
        return torch.where(some, kept.softmax(1), 0)

    def _draw(self, probabilities: Tensor, positives: Tensor, noise: Tensor | None) -> Chosen:
        if noise is None:
            raise InputError("distance-weighted mining needs noise (b, 1) in [0, 1)")
        index, valid = positive_table(positives)
        number, counts = valid.cumsum(1) - 1, valid.sum(1, keepdim=True)
        place = (noise[:, :1].to(probabilities.dtype) + number / counts.clamp(min=1)).frac().contiguous()
        below = probabilities.cumsum(1)
        total = below[:, -1:] if below.shape[1] else below.sum(1, keepdim=True)
        # a column of probability 0 has nothing below it that the one before has not, so it is never the first above
        most = total * (1 - torch.finfo(below.dtype).eps)
        negative = torch.searchsorted(below, torch.minimum(place * total, most), right=True)
        return Chosen(index, negative.clamp(max=max(below.shape[1] - 1, 0)), valid & (total > 0))
