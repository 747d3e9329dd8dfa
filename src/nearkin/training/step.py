"""One optimiser step: images to embeddings, embeddings to a loss, its gradient to the parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nearkin.core import InputError
from nearkin.training.plan import TrainingPlan


class TrainingFailed(RuntimeError):
    """A run that cannot go on: its loss or its weights are no longer finite."""


@dataclass(frozen=True)
class Stepped:
    """What a step found: the loss, the share of terms above 0 (None where terms are never 0) and mean distances."""

    loss: float
    active: float | None
    positive: float
    negative: float
    embeddings: Tensor


def make_optimizer(network: nn.Module, loss: nn.Module, plan: TrainingPlan) -> torch.optim.Optimizer:
    """The plan's optimiser over three groups: weights, biases and other vectors, the loss's own parameters.

    Adam runs fused, one pass over memory: 2 ms instead of 12 for the 3.5 million parameters of document 001's net.
    """
    trained = [p for p in network.parameters() if p.requires_grad]
    own = [p for p in loss.parameters() if p.requires_grad]
    own_rate = plan.learning_rate if plan.loss_learning_rate is None else plan.loss_learning_rate
    groups: list[dict[str, Any]] = [
        {
            "params": [p for p in trained if p.ndim > 1],
            "base_rate": plan.learning_rate,
            "weight_decay": plan.weight_decay,
        },
        {"params": [p for p in trained if p.ndim <= 1], "base_rate": plan.learning_rate, "weight_decay": 0.0},
        {"params": own, "base_rate": own_rate, "weight_decay": 0.0},
    ]
    groups = [{"lr": group["base_rate"], **group} for group in groups if group["params"]]
    if plan.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=0.9, nesterov=True, fused=True)
    return torch.optim.AdamW(groups, fused=True)


def take_step(
    network: nn.Module,
    loss: Any,
    images: Tensor,
    labels: Tensor,
    optimizer: torch.optim.Optimizer,
    plan: TrainingPlan,
    step: int,
    *,
    generator: torch.Generator,
) -> Stepped:
    """Move the parameters once; `step` counts from 1. Before the parameters move, a loss that is not finite raises."""
    embeddings = network(images)
    if not bool(torch.isfinite(embeddings).all()):
        if not bool(torch.isfinite(images).all()):
            raise InputError("an image of the batch has a pixel that is not finite; look at what gives the images")
        raise TrainingFailed("the network's embeddings are no longer finite")
    measure = loss.measure(embeddings, labels, generator=generator)
    value = float(measure.value.detach())
    if not math.isfinite(value):
        raise TrainingFailed(f"the loss is {value}")
    optimizer.zero_grad(set_to_none=True)
    if measure.value.requires_grad:
        measure.value.backward()
    if plan.gradient_clip is not None:
        nn.utils.clip_grad_norm_(_parameters(optimizer), plan.gradient_clip)
    for group in optimizer.param_groups:
        group["lr"] = group["base_rate"] * plan.rate_factor(step)
    optimizer.step()
    active = None if measure.active is None else float(measure.active)
    return Stepped(value, active, float(measure.positive), float(measure.negative), embeddings.detach())


def _parameters(optimizer: torch.optim.Optimizer) -> Iterable[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
