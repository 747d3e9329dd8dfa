"""From a recipe's words to a network, a loss, a plan: the same first weights and batches for every method of a seed."""

from __future__ import annotations

from typing import Any

from nearkin.comparison.objects import build_loss
from nearkin.comparison.recipe import Method, Recipe
from nearkin.core import InputError, derived_seed
from nearkin.data import Standardisation
from nearkin.networks import Network
from nearkin.training import TrainingPlan


def build_network(recipe: Recipe, method: Method, image_shape: tuple[int, int, int], seed: int, scale: Standardisation) -> Network:
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
    return network.standardise(scale.mean, scale.deviation) if standardise else network


def build_plan(recipe: Recipe, method: Method, seed: int) -> TrainingPlan:
    """The training of a run; its batches depend on the seed and not on the method."""
    settings: dict[str, Any] = {**recipe.training, **method.training}
    return TrainingPlan(**settings, seed=derived_seed(seed, "training"))


__all__ = ["build_loss", "build_network", "build_plan"]
