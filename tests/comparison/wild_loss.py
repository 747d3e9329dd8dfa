"""Losses of one's own, as a recipe's import path names them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nearkin.losses import Measure, Triplet


class Wild(nn.Module):
    """A loss that is infinite from the third call on."""

    def __init__(self, calls: int = 3) -> None:
        super().__init__()
        self.left = calls

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        self.left -= 1
        return embeddings.square().mean() * (1 if self.left > 0 else torch.inf)


class Pull(nn.Module):
    """The mean squared distance of same-class embeddings, times a weight."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        same = labels[:, None] == labels[None]
        return self.weight * (torch.cdist(embeddings, embeddings) ** 2)[same].mean()


class Detached(nn.Module):
    """A loss whose value has left the graph."""

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return Pull()(embeddings, labels).detach()


class Flat(Pull):
    """A loss that is in the graph and the same everywhere."""

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return 0 * super().forward(embeddings, labels)


class Leaving(Triplet):
    """A loss of rows whose measured value has left the graph."""

    def measure(self, *arguments: Any, **keywords: Any) -> Measure:
        found = super().measure(*arguments, **keywords)
        return found._replace(value=found.value.detach())


class Near(nn.Module):
    """Pushes off the origin what is near it, and says nothing of the rest."""

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return torch.relu(0.5 - embeddings.square().sum(1)).mean()


def plain(embeddings: Tensor, labels: Tensor) -> Tensor:
    """A loss that is a function."""
    return Pull()(embeddings, labels)


def bare(e, l):  # noqa: E741
    return Pull()(e, l)


def made(weight: float, scale: float = 1.0) -> nn.Module:
    """What makes a loss."""
    return Pull(weight * scale)


ready = Pull()
