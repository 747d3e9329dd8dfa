"""What the losses that wrap a base loss have in common: it is called and measured like any other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nearkin.core import InputTypeError
from nearkin.distances import Distance
from nearkin.losses import Measure, RowLoss


class Wrapping(nn.Module):
    """A loss made of a base loss: `loss(embeddings, labels, generator=...)`; labels are integers (B,)."""

    def __init__(self, base: RowLoss) -> None:
        super().__init__()
        if not isinstance(base, RowLoss):
            raise InputTypeError(f"base must be a loss of rows such as Triplet(), got {type(base).__name__}")
        self.base = base

    @property
    def distance(self) -> Distance:
        """The base's distance."""
        return self.base.distance

    def measure(self, embeddings: Tensor, labels: Tensor, *, generator: torch.Generator | None = None) -> Measure:
        """The loss with what happened in the batch."""
        raise NotImplementedError(f"{type(self).__name__} needs a measure")

    def forward(self, embeddings: Tensor, labels: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """The loss of a batch, a scalar: embeddings (B, D), labels (B,)."""
        return self.measure(embeddings, labels, generator=generator).value
