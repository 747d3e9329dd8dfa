"""Parameters that generated negatives train, in groups that move alone: F, W, the base loss's own, and the generators."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from nearkin.core import InputError
from nearkin.core.tensors import numbers
from nearkin.generation import Adversarial, WithMetricNetwork
from nearkin.training.plan import TrainingPlan

ROLES = ("cnn", "metric", "own", "gneg", "gpos")
"""Groups of parameters: features network, metric network, the base loss's own, generator of negatives, of positives."""

NORM_COLUMNS = {
    "cnn": "gradient_cnn",
    "metric": "gradient_metric",
    "gneg": "gradient_negatives",
    "gpos": "gradient_positives",
}


def prepare_generation(network: nn.Module, loss: Adversarial, labels: Tensor) -> None:
    """Check that network and loss fit, and make what depends on the network's size and on the classes."""
    if not isinstance(network, WithMetricNetwork):
        raise InputError(
            "generated negatives need features and a metric network: train loss.network(features_network, dimensions)"
        )
    for name in ("normalize_features", "normalize_embeddings"):
        asked = getattr(loss.settings, name)
        has = network.normalize_features if name == "normalize_features" else network.metric.normalize
        if asked != has:
            raise InputError(f"the loss asks for {name}={asked}, the network has {has}: make it with loss.network(...)")
    loss.build(network.dimensions)
    loss.watch_classes(labels)


def trained_groups(network: WithMetricNetwork, loss: Adversarial) -> dict[str, list[nn.Parameter]]:
    """The parameters of every role that are trained."""
    modules = {
        "cnn": network.features_network,
        "metric": network.metric,
        "own": loss.base,
        "gneg": loss.negative_generator,
        "gpos": loss.positive_generator,
    }
    return {
        role: [p for p in module.parameters() if p.requires_grad] if module is not None else []
        for role, module in modules.items()
    }


def optimizer_groups(network: WithMetricNetwork, loss: Adversarial, plan: TrainingPlan) -> list[dict[str, Any]]:
    """Parameter groups with their role; weight decay on the weights of F and W alone."""
    own_rate = plan.learning_rate if plan.loss_learning_rate is None else plan.loss_learning_rate
    rates = {"own": own_rate, "gneg": plan.learning_rate * loss.settings.generator_rate}
    rates["gpos"] = rates["gneg"]
    groups: list[dict[str, Any]] = []
    for role, parameters in trained_groups(network, loss).items():
        kept = {"role": role, "base_rate": rates.get(role, plan.learning_rate), "weight_decay": 0.0}
        if role in ("cnn", "metric"):
            matrices = [p for p in parameters if p.ndim > 1]
            parameters = [p for p in parameters if p.ndim <= 1]
            groups.append({**kept, "params": matrices, "weight_decay": plan.weight_decay})
        groups.append({**kept, "params": parameters})
    return groups


class Mover:
    """Takes optimiser steps of some groups alone, by the gradient of one loss to them alone."""

    def __init__(
        self, network: WithMetricNetwork, loss: Adversarial, optimizer: torch.optim.Optimizer, plan: TrainingPlan
    ) -> None:
        self.groups, self.optimizer, self.plan = trained_groups(network, loss), optimizer, plan
        self.norms: dict[str, float] = {}

    def move(self, value: Tensor, roles: Iterable[str]) -> None:
        """One step of the groups `roles`; a parameter that the loss does not reach stays where it is."""
        named = [(role, parameter) for role in roles for parameter in self.groups[role]]
        if not named or not value.requires_grad:
            return
        found = torch.autograd.grad(value, [parameter for _, parameter in named], allow_unused=True)
        self.optimizer.zero_grad(set_to_none=True)
        reached = []
        for (role, parameter), gradient in zip(named, found, strict=True):
            parameter.grad = gradient
            if gradient is not None:
                reached.append((NORM_COLUMNS.get(role, ""), gradient))
        lengths: dict[str, list[float]] = {}
        for (column, _), length in zip(reached, numbers(*(gradient.norm() for _, gradient in reached))):
            lengths.setdefault(column, []).append(length)
        self.norms |= {column: math.hypot(*several) for column, several in lengths.items() if column}
        if self.plan.gradient_clip is not None:
            nn.utils.clip_grad_norm_([parameter for _, parameter in named], self.plan.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def set_rates(optimizer: torch.optim.Optimizer, plan: TrainingPlan, step: int, cnn_rate: float) -> None:
    """The learning rate of every group at `step`; the features network's is multiplied with `cnn_rate`."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_rate"] * plan.rate_factor(step) * (cnn_rate if group["role"] == "cnn" else 1.0)
