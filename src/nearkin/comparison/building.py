"""From a recipe's words to a network, a loss, a plan: the same first weights and batches for every method of a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nearkin.comparison.objects import build_loss
from nearkin.comparison.recipe import Method, Recipe
from nearkin.core import InputError, derived_seed
from nearkin.data import ImageSet
from nearkin.networks import Network
from nearkin.training import TrainingPlan


@dataclass(frozen=True)
class PixelScale:
    """Mean and standard deviation of each channel over the training images."""

    mean: list[float]
    std: list[float]


def pixel_scale(images: ImageSet, train: np.ndarray) -> PixelScale:
    """The `PixelScale` of the images at `train`; a channel that never changes keeps its scale of 1."""
    total = squares = np.zeros(images.image_shape[0])
    count = 0
    for start in range(0, len(train), 1024):
        values = images.scaled(train[start : start + 1024]).astype(np.float64)
        total = total + values.sum((0, 2, 3))
        squares = squares + np.square(values).sum((0, 2, 3))
        count += values[:, 0].size
    mean = total / count
    variance = np.maximum(squares / count - np.square(mean), 0)
    return PixelScale(mean.tolist(), np.where(variance > 1e-12, np.sqrt(variance), 1.0).tolist())


def build_network(recipe: Recipe, method: Method, image_shape: tuple[int, int, int], seed: int, scale: PixelScale) -> Network:
    """The network of a run with its first weights, which depend on the seed and not on the method."""
    channels, height, width = image_shape
    settings = {**recipe.network, **method.network}
    standardise = settings.pop("standardise", True)
    try:
        network = Network.from_configuration(
            {"height": height, "width": width, "channels": channels, "seed": derived_seed(seed, "network"), **settings}
        )
    except InputError as error:
        raise InputError(f"network: {error}") from None
    return network.standardise(scale.mean, scale.std) if standardise else network


def build_plan(recipe: Recipe, method: Method, seed: int) -> TrainingPlan:
    """The training of a run; its batches depend on the seed and not on the method."""
    settings: dict[str, Any] = {**recipe.training, **method.training}
    return TrainingPlan(**settings, seed=derived_seed(seed, "training"))


__all__ = ["PixelScale", "build_loss", "build_network", "build_plan", "pixel_scale"]
