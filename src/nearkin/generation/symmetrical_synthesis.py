"""Symmetrical synthesis: each of two images of a class mirrored at the other."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from nearkin.generation.hardest_pairs import check_base, over_hardest_pairs
from nearkin.generation.wrapping import Wrapping
from nearkin.losses import Measure, RowLoss


class SymmetricalSynthesis(Wrapping):
    """A base loss in which two pairs are as near as the nearest two of their eight points [DML-16].

    Equation:  q = 2 <p, u> u - p, u = a/|a|, is p mirrored at a, and q' = 2 <a, v> v - a, v = p/|p|, a mirrored at p;
               negatives of the pair (a, p) against another: the least distance between {a, p, q, q'} and its like.
               Positives are real
    Shapes:    embeddings (B, D), labels (B,) -> scalar; q has the length of p
    Default:   no parameter. With NPair() as in the paper's strongest rows
    Gradient:  through q and q' as well
    Source:    Gu and Ko, "Symmetrical Synthesis for Deep Metric Learning", AAAI 2020. Differs: with more than two images
               of a class and a loss that is not N-pair, all pairs of a class take part
    """

    def __init__(self, base: RowLoss) -> None:
        super().__init__(base)
        check_base(base)

    def measure(self, embeddings: Tensor, labels: Tensor, *, generator: torch.Generator | None = None) -> Measure:
        return over_hardest_pairs(self.base, embeddings, labels, symmetrical_points, generator)


def symmetrical_points(anchors: Tensor, positives: Tensor) -> Tensor:
    """a, p, p mirrored at a, a mirrored at p: (M, D) each -> (M, 4, D)."""
    return torch.stack([anchors, positives, _mirrored(positives, anchors), _mirrored(anchors, positives)], 1)


def _mirrored(rows: Tensor, axes: Tensor) -> Tensor:
    """Row by row 2 <x, u> u - x, u the unit vector of the axis."""
    units = normalize(axes, dim=1, eps=1e-12)
    return 2 * (rows * units).sum(1, keepdim=True) * units - rows
