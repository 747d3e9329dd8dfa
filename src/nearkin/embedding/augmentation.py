"""Augmentation policies of kept features: the views that are made of every image, each with features of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from torch import Tensor

Views: TypeAlias = tuple[Callable[[Tensor], Tensor], ...]


def as_it_is(images: Tensor) -> Tensor:
    """The images themselves."""
    return images


def mirrored(images: Tensor) -> Tensor:
    """Left and right exchanged, (B, C, H, W)."""
    return images.flip(-1)


AUGMENTATIONS: Mapping[str, Views] = MappingProxyType({"flip": (as_it_is, mirrored), "none": (as_it_is,)})
"""Policies by name; the views of a policy stand in this order in the features it gives."""
