"""A step with generated negatives: the metric, then the generator of negatives, then that of positives [DML-9]."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nearkin.core import InputError
from nearkin.generation import Adversarial, Generated, GeneratorTerms, Mixed, Rows, WithMetricNetwork, shape_of
from nearkin.training.plan import TrainingPlan
from nearkin.training.step import Stepped, check_rows, checked_value

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


class _Batch(NamedTuple):
    """What the parts of a step share; features (B, d), and those of the rows (R, d), are detached but for `joint`."""

    rows: Rows
    labels: Tensor
    features: Tensor
    anchor: Tensor
    positive: Tensor
    negative: Tensor


class _Found(NamedTuple):
    """What a step found: J_m, and the columns of the log."""

    mixed: Mixed
    extra: dict[str, float]


def take_generated_step(
    network: WithMetricNetwork,
    loss: Adversarial,
    images: Tensor,
    labels: Tensor,
    optimizer: torch.optim.Optimizer,
    plan: TrainingPlan,
    step: int,
    *,
    generator: torch.Generator,
) -> Stepped:
    """Move every group once by its own loss; `step` counts from 1. Features are computed once.

    In the first `pretraining` share of the steps real negatives alone are used. Without rows (no pair of one class, one
    class only) nothing moves: Adam would, on momentum, even by a gradient of 0
    """
    settings = loss.settings
    pretraining = step <= loss.pretraining_steps(plan.steps)
    frozen = not pretraining and settings.cnn_rate == 0
    _set_rates(optimizer, plan, step, 1.0 if pretraining else settings.cnn_rate)
    if frozen:
        network.features_network.eval()
    with torch.set_grad_enabled(not frozen):
        features = network.features(images)
    check_rows(features, images)
    on_features = pretraining and settings.pretraining_on == "features"
    embeddings = features if on_features else network.metric(features)
    rows = loss.rows(embeddings, labels, generator=generator)
    if loss.class_means is not None:
        loss.class_means.update(features, labels)
    shared = features if settings.gradients == "joint" else features.detach()
    batch = _Batch(rows, labels, shared, *rows.flat(shared))
    mover = _Mover(network, loss, optimizer, plan)
    if pretraining or not rows or not loss.generates:
        found = _with_real_rows(loss, batch, embeddings, mover)
    elif settings.gradients == "joint":
        found = _jointly(network, loss, batch, embeddings, mover)
    else:
        found = _in_three_steps(network, loss, batch, embeddings, mover)
    return _stepped(loss, found, embeddings)


def _with_real_rows(loss: Adversarial, batch: _Batch, embeddings: Tensor, mover: _Mover) -> _Found:
    mixed = loss.metric_term(batch.rows, embeddings, None)
    checked_value("loss", mixed.value)
    if batch.rows:
        mover.move(mixed.value, ("cnn", "metric", "own"))
    return _Found(mixed, mover.norms)


def _in_three_steps(
    network: WithMetricNetwork, loss: Adversarial, batch: _Batch, embeddings: Tensor, mover: _Mover
) -> _Found:
    """The table's column (d): J_m moves F and W, J_gen the generator of negatives, J_gen+ that of positives."""
    generated = loss.generate(batch.anchor, batch.positive, batch.negative)
    mixed = loss.metric_term(batch.rows, embeddings, network.metric(generated.negative.detach()))
    checked_value("loss", mixed.value)
    mover.move(mixed.value, ("cnn", "metric", "own"))
    terms = positives = None
    if loss.learns:
        with _asking_nothing(network.metric):  # W as it is after its step
            terms = loss.negative_terms(batch.anchor, batch.positive, batch.negative, generated, network.metric)
        positives = loss.positive_terms(batch.anchor, batch.positive, generated)
    told = _told(loss, batch, generated, terms, positives)
    for found, role in ((terms, "gneg"), (positives, "gpos")):
        if found is not None:
            mover.move(found.total, (role,))
    return _Found(mixed, {**told, **mover.norms})


def _jointly(network: WithMetricNetwork, loss: Adversarial, batch: _Batch, embeddings: Tensor, mover: _Mover) -> _Found:
    """The table's column (b): one sum of all terms moves all groups."""
    generated = loss.generate(batch.anchor, batch.positive, batch.negative)
    mixed = loss.metric_term(batch.rows, embeddings, network.metric(generated.negative))
    terms = loss.negative_terms(batch.anchor, batch.positive, batch.negative, generated, network.metric)
    positives = loss.positive_terms(batch.anchor, batch.positive, generated)
    checked_value("loss", mixed.value)
    told = _told(loss, batch, generated, terms, positives)
    total = mixed.value + terms.total + (0 if positives is None else positives.total)
    mover.move(total, ROLES)
    return _Found(mixed, {**told, **mover.norms})


def _told(
    loss: Adversarial,
    batch: _Batch,
    generated: Generated,
    terms: GeneratorTerms | None,
    positives: GeneratorTerms | None,
) -> dict[str, float]:
    """The columns of the log that generated rows have; a term that is not finite raises and is named."""
    told: dict[str, Tensor | None] = {}
    if terms is not None:
        told = {"J_hard": terms.near, "J_reg": terms.regular, "J_adv": terms.adversarial}
    if positives is not None:
        told["J_gen_positive"] = positives.total
    values = {name: checked_value(f"generator's {name}", term) for name, term in told.items() if term is not None}
    values["feature_norm"] = float(batch.features.detach().norm(dim=1).mean())
    if terms is not None and terms.active is not None and loss.settings.lambda2:
        values["active_adversarial"] = terms.active
    if loss.class_means is not None:
        values["kept_class"] = loss.class_means.kept(generated.negative, batch.labels[batch.rows.negative.reshape(-1)])
    return values | shape_of(batch.anchor, batch.negative, generated.negative)


def _stepped(loss: Adversarial, found: _Found, embeddings: Tensor) -> Stepped:
    real, made = found.mixed.real, found.mixed.generated
    extra = found.extra
    shares = []
    for name, measure, weight in (
        ("active_real", real, 1 - loss.settings.w_generated if made else 1.0),
        ("active_generated", made, loss.settings.w_generated),
    ):
        if measure is not None and measure.active is not None:
            extra[name] = measure.active
            shares.append(weight * measure.active)
    seen = real or made
    distances = (math.nan, math.nan) if seen is None else (seen.positive, seen.negative)
    active = sum(shares) if shares else None
    return Stepped(float(found.mixed.value.detach()), active, *distances, embeddings.detach(), extra)


class _Mover:
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
        lengths: dict[str, list[float]] = {}
        for (role, parameter), gradient in zip(named, found, strict=True):
            parameter.grad = gradient
            if gradient is not None:
                lengths.setdefault(NORM_COLUMNS.get(role, ""), []).append(float(gradient.norm()))
        self.norms |= {column: math.hypot(*several) for column, several in lengths.items() if column}
        if self.plan.gradient_clip is not None:
            nn.utils.clip_grad_norm_([parameter for _, parameter in named], self.plan.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def _set_rates(optimizer: torch.optim.Optimizer, plan: TrainingPlan, step: int, cnn_rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group["base_rate"] * plan.rate_factor(step) * (cnn_rate if group["role"] == "cnn" else 1.0)


@contextmanager
def _asking_nothing(module: nn.Module) -> Iterator[None]:
    """Inside, no graph asks a gradient of the module's parameters."""
    asking = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in asking:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)
