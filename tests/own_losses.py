"""Losses and distances as users write them: with `prepare`, with parameters, with several means."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nearkin.core.tensors import Block, Terms, added, masked_logsumexp
from nearkin.distances import Distance, root
from nearkin.losses import RowLoss


class LiftedStructure(RowLoss):
    """Lifted structured loss [LFT-1]: a pair's cost needs the crowd of negatives at both of its ends."""

    def __init__(self, margin: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.margin = nn.Parameter(torch.tensor(margin, dtype=torch.float64))

    def prepare(self, block: Block) -> Tensor:
        """The log-sum of m - d over the row's negatives."""
        return masked_logsumexp(self.margin.to(block.distances.dtype) - block.distances, block.negatives)

    def rows(self, block: Block) -> Terms:
        shared = len(block.references)
        positives = block.positives[:, :shared]
        low = torch.finfo(block.distances.dtype).min / 4
        crowd = torch.logaddexp(block.row[:, None].clamp(min=low), block.column[None].clamp(min=low))
        cost = torch.relu(crowd + block.distances[:, :shared]).square() / 2
        return Terms(added(torch.where(positives, cost, 0)), added(positives))


class LearnedMargin(RowLoss):
    """Two means, [d - b]_+ over positives and [b + m - d]_+ over negatives, with a learned border b."""

    parts = 2
    reductions = ("mean", "sum", "mean_nonzero")

    def __init__(self, border: float = 1.0, margin: float = 0.5, **options: Any) -> None:
        super().__init__(**options)
        self.border, self.margin = nn.Parameter(torch.tensor(border, dtype=torch.float64)), margin

    def rows(self, block: Block) -> tuple[Terms, Terms]:
        border = self.border.to(block.distances.dtype)
        pull = torch.relu(block.distances - border)
        push = torch.relu(border + self.margin - block.distances)
        return _mean(pull, block.positives), _mean(push, block.negatives)


class Softened(RowLoss):
    """One mean, softplus(t (d_ij - b)) over positive pairs, with a learned temperature and border."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.temperature = nn.Parameter(torch.tensor(0.7, dtype=torch.float64))
        self.border = nn.Parameter(torch.tensor(0.4, dtype=torch.float64))

    def rows(self, block: Block) -> Terms:
        z = self.temperature.to(block.distances.dtype) * (block.distances - self.border.to(block.distances.dtype))
        cost = torch.logaddexp(z, torch.zeros_like(z))
        return Terms(added(torch.where(block.positives, cost, 0)), added(block.positives))


def _mean(values: Tensor, mask: Tensor) -> Terms:
    kept = torch.where(mask, values, 0)
    return Terms(added(kept), added(mask), added(kept > 0))


class Mahalanobis(Distance):
    """|L(x - z)|, or relative |L(x - z)|^2 / |L x|^2, with a learned L (P, D)."""

    def __init__(self, factor: Tensor, *, relative: bool = False) -> None:
        super().__init__()
        self.factor, self.relative = nn.Parameter(factor), relative

    def project(self, x: Tensor) -> Tensor:
        return x @ self.factor.to(x.dtype).T

    def link(self, squared: Tensor, anchor_norm: Tensor, reference_norm: Tensor) -> Tensor:
        return squared / anchor_norm.clamp(min=1e-12) if self.relative else root(squared)
