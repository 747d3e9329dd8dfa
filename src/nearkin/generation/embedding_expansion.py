"""Embedding expansion: points between two images of a class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from nearkin.core import integer
from nearkin.generation.hardest_pairs import check_base, over_hardest_pairs
from nearkin.generation.wrapping import Wrapping
from nearkin.losses import Measure, RowLoss


class EmbeddingExpansion(Wrapping):
    """A base loss in which two pairs are as near as the nearest two of all points on them [DML-16].

    Equation:  n points (a k + p (n + 1 - k)) / (n + 1), k = 1..n, between a and p, brought back to the length between
               |a| and |p| (to 1 for unit embeddings); negatives of the pair (a, p) against another: the least distance
               between their n + 2 points each. Positives are real
    points:    n; 2 by default, as published
    Shapes:    embeddings (B, D), labels (B,) -> scalar
    Gradient:  through the points as well
    Source:    Ko and Gu, "Embedding Expansion", CVPR 2020. Differs: embeddings that are not unit keep their own length;
               with more than two images of a class and a loss that is not N-pair, all pairs of a class take part
    """

    def __init__(self, base: RowLoss, points: int = 2) -> None:
        super().__init__(base)
        check_base(base)
        self.points = integer("points", points, minimum=1)

    def measure(self, embeddings: Tensor, labels: Tensor, *, generator: torch.Generator | None = None) -> Measure:
        return over_hardest_pairs(
            self.base, embeddings, labels, lambda a, p: expanded_points(a, p, self.points), generator
        )

    def extra_repr(self) -> str:
        """The setting."""
        return f"points={self.points}"


def expanded_points(anchors: Tensor, positives: Tensor, count: int) -> Tensor:
    """a, p and `count` points between: (M, D) each -> (M, count + 2, D)."""
    shares = torch.arange(1, count + 1, device=anchors.device, dtype=anchors.dtype)[:, None] / (count + 1)
    between = anchors[:, None] * shares + positives[:, None] * (1 - shares)
    lengths = [rows.norm(dim=1)[:, None, None] for rows in (anchors, positives)]
    points = normalize(between, dim=2, eps=1e-12) * (lengths[0] * shares + lengths[1] * (1 - shares))
    return torch.cat([anchors[:, None], positives[:, None], points], 1)
