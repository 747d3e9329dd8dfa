"""A small setting for tests of training: six classes of noisy 6 x 6 images, a network, a loss with memory and weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from nearkin.core.tensors import Block, Terms
from nearkin.distances import Distance
from nearkin.losses import Triplet
from nearkin.networks import Network, embed
from nearkin.training import TrainingPlan

labels = np.repeat(np.arange(6), 10)
_drawn = np.random.default_rng(5)
images = (_drawn.random((6, 1, 6, 6))[labels] + 1.5 * _drawn.random((60, 1, 6, 6))).astype(np.float32)


class Rounds:
    """A sampler: each epoch deals four batches of 4 classes x 3 images, drawn from (seed, epoch)."""

    def __init__(self, seed: int = 0, classes: int = 4, images: int = 3, batches: int = 4) -> None:
        self.seed, self.classes, self.images, self.batches = seed, classes, images, batches

    def epoch(self, number: int) -> list[np.ndarray]:
        rng = np.random.default_rng([self.seed, number])
        return [self._batch(rng) for _ in range(self.batches)]

    def _batch(self, rng: np.random.Generator) -> np.ndarray:
        classes = rng.choice(6, self.classes, replace=False)
        return np.concatenate([rng.choice(np.flatnonzero(labels == c), self.images, replace=False) for c in classes])


class Stretched(Distance):
    """Squared Euclidean distance after a learned stretch of every dimension."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.stretch = nn.Parameter(torch.linspace(0.5, 1.5, size))

    def project(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.stretch

    def link(self, squared: torch.Tensor, anchor_norm: torch.Tensor, reference_norm: torch.Tensor) -> torch.Tensor:
        return squared


class Remembering(Triplet):
    """A triplet loss whose weight depends on how often it was called: state that a checkpoint must keep."""

    def __init__(self, **options: Any) -> None:
        super().__init__(distance=Stretched(3), **options)
        self.register_buffer("calls", torch.zeros(()))

    def rows(self, block: Block) -> Terms:
        if torch.is_grad_enabled():
            self.calls += 1
        terms = super().rows(block)
        return Terms(terms.total * (1 + 0.1 * torch.sin(self.calls)), terms.count, terms.active)


def network(seed: int = 1, dropout: float = 0.0) -> nn.Module:
    plain = Network(6, 6, 1, 3, seed=seed).add_conv(3, 3, 2, 2, 4).add_fc(16)
    if not dropout:
        return plain
    return nn.Sequential(plain, nn.BatchNorm1d(3), nn.Dropout(dropout))


def plan(**changes: Any) -> TrainingPlan:
    settings: dict[str, Any] = {
        "steps": 20, "classes_per_batch": 4, "images_per_class": 3, "learning_rate": 0.01, "validate_every": 7, "seed": 3,
    }  # fmt: skip
    return TrainingPlan(**{**settings, **changes})


def separation(trained: nn.Module) -> float:
    """A validation: how far apart the classes' means lie, against the spread within them."""
    x = embed(trained, images).astype(np.float64)
    means = np.stack([x[labels == c].mean(0) for c in range(6)])
    return float(means.std() / (x - means[labels]).std())


def bits(*modules: nn.Module) -> dict[str, bytes]:
    """Every number of the modules' states, exactly."""
    states = {f"{i}.{name}": tensor for i, module in enumerate(modules) for name, tensor in module.state_dict().items()}
    return {name: tensor.numpy().tobytes() for name, tensor in states.items()}
