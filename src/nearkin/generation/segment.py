"""Negatives on the segment between anchor and negative: no network, the least that a learned generator must beat."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core import positive, within
from nearkin.generation.metric_term import metric_term
from nearkin.generation.rows import select_rows
from nearkin.generation.wrapping import Wrapping
from nearkin.losses import Measure, RowLoss


class Segment(Wrapping):
    """A base loss that also sees, for every real negative, the point at share t of the way to it [DML-8.5].

    Equation:  (1 - w) base(a, p, n) + w base(a, p, g),  g = a + t (n - a), detached: it moves the anchor, not n
    base:      any RowLoss; its miner, else chance, chooses n for every pair (see `select_rows`)
    t:         1/2 (default) is the midpoint, the best answer of a generator without J_adv at lambda1 = 1 [DML-8.2]
    weight:    w. Default 1/2: real and generated rows count alike
    Shapes:    embeddings (B, D), labels (B,) -> scalar; g lives in embedding space
    Random:    `generator` draws negatives where the base has no miner that chooses them
    Source:    ours, as a control. On unit embeddings g is shorter than 1
    """

    def __init__(self, base: RowLoss, t: float = 0.5, weight: float = 0.5) -> None:
        super().__init__(base)
        self.t = positive("t", within("t", t, 0, 1))
        self.weight = within("weight", weight, 0, 1)

    def measure(self, embeddings: Tensor, labels: Tensor, *, generator: torch.Generator | None = None) -> Measure:
        rows = select_rows(self.base, embeddings, labels, generator=generator)
        pairs = slice(0, 1) if rows else slice(0, 0)
        anchors, partners = (embeddings[index[:, :, pairs].flatten(1)] for index in rows[:2])
        negatives = embeddings[rows.negative]
        start = embeddings[rows.anchor].detach()
        real = metric_term(self.base, anchors, partners, negatives)
        made = metric_term(self.base, anchors, partners, start + self.t * (negatives.detach() - start))
        value = (1 - self.weight) * real.value + self.weight * made.value
        active = None
        if real.active is not None and made.active is not None:
            active = (1 - self.weight) * real.active + self.weight * made.active
        return Measure(value, active, real.positive, real.negative)

    def extra_repr(self) -> str:
        """The settings."""
        return f"t={self.t:g}, weight={self.weight:g}"
