"""A small network with a fingerprint, and a set of images, for tests of the cache."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from data.sets import image_set
from nearkin.core import content_hash
from nearkin.data import ImageSet

IMAGES, FEATURES = 30, 5


class Small(nn.Module):
    """Features by one linear layer, behind a dropout that only training mode switches on; counts what it was shown."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.linear = nn.Linear(36, FEATURES)
        nn.init.normal_(self.linear.weight, generator=torch.Generator().manual_seed(seed))
        nn.init.zeros_(self.linear.bias)
        self.shown: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.shown.append(len(images))
        return self.linear(self.dropout(images.flatten(1)))

    def fingerprint(self) -> str:
        return content_hash(*(tensor.numpy().tobytes() for tensor in self.state_dict().values()))


def some_images() -> ImageSet:
    return image_set([number % 4 for number in range(IMAGES)], seed=5)
