"""Running means of the features of every class: whether a generated negative still looks like its class [DML-14]."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

MEMORY = 0.9
"""Weight of what was seen before in a class's mean."""


class ClassMeans(nn.Module):
    """Running means of features; buffers, so that a resumed run logs the same.

    labels: (C,) the sorted labels that there are; features have `dimensions`
    """

    labels: Tensor
    means: Tensor
    seen: Tensor

    def __init__(self, labels: Tensor, dimensions: int) -> None:
        super().__init__()
        self.register_buffer("labels", labels.clone())
        self.register_buffer("means", torch.zeros(len(labels), dimensions, device=labels.device))
        self.register_buffer("seen", torch.zeros(len(labels), dtype=torch.bool, device=labels.device))

    @torch.no_grad()
    def update(self, features: Tensor, labels: Tensor) -> None:
        """Move the mean of every class of the batch towards its mean there."""
        present, place = labels.unique(return_inverse=True)
        sums = torch.zeros(len(present), features.shape[1], dtype=self.means.dtype, device=features.device)
        sums.index_add_(0, place, features.to(self.means.dtype))
        batch = sums / place.bincount()[:, None]
        at = torch.searchsorted(self.labels, present)
        self.means[at] = torch.where(self.seen[at, None], MEMORY * self.means[at] + (1 - MEMORY) * batch, batch)
        self.seen[at] = True

    @torch.no_grad()
    def kept(self, made: Tensor, labels: Tensor) -> float:
        """Share of `made` (R, d) whose nearest class mean is that of its label (R,); NaN without rows."""
        if not len(made):
            return math.nan
        apart = torch.cdist(made.to(self.means.dtype), self.means)
        nearest = apart.masked_fill(~self.seen, torch.inf).argmin(1)
        return float((self.labels[nearest] == labels).double().mean())
