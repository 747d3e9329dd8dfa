"""From a recipe's words to a network, a loss, a plan: the same first weights and batches for every method of a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nearkin.comparison.frozen import build_backbone
from nearkin.comparison.objects import build_loss
from nearkin.comparison.recipe import Method, Recipe
from nearkin.core import InputError, derived_seed
from nearkin.data import Standardisation
from nearkin.networks import EmbeddingHead, FineTuned, Network
from nearkin.training import TrainingPlan


def build_network(
    recipe: Recipe,
    method: Method,
    shape: tuple[int, ...],
    seed: int,
    scale: Standardisation,
    axes: NDArray[np.float64] | None = None,
) -> nn.Module:
    """The network of a run with its first weights, which depend on the seed and the training part, not on the method.

    shape: of an image's input: (C, H, W), or (F,) for the features of a frozen backbone, on which the network is a head
    scale: mean and deviation of the training images' inputs
    axes:  (embedding_size, F) where a head starts as a projection of the features
    """
    settings = {**recipe.network, **method.network}
    standardise = settings.pop("standardise", True)
    backbone = settings.pop("backbone", None)
    settings.pop("start", None)
    with_seed = {**settings, "seed": derived_seed(seed, "network")}
    try:
        if backbone is None:
            channels, height, width = shape
            plain = Network.from_configuration({"height": height, "width": width, "channels": channels, **with_seed})
            return plain.standardise(scale.mean, scale.deviation) if standardise else plain
        if recipe.frozen:
            head = EmbeddingHead(shape[0], **with_seed)
            head = head.standardise(scale.mean, scale.deviation) if standardise else head
            return head if axes is None else head.start_at(torch.from_numpy(axes))
        tuned = build_backbone(backbone)
        return FineTuned(tuned, EmbeddingHead(tuned.features_size, **with_seed))
    except InputError as error:
        raise InputError(f"network: {error}") from None


def build_plan(recipe: Recipe, method: Method, seed: int) -> TrainingPlan:
    """The training of a run; its batches depend on the seed and not on the method."""
    settings: dict[str, Any] = {**recipe.training, **method.training}
    return TrainingPlan(**settings, seed=derived_seed(seed, "training"))


__all__ = ["build_loss", "build_network", "build_plan"]
