"""A step with generated negatives: the metric, then the generator of negatives, then that of positives [DML-9]."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nearkin.generation import Adversarial, Generated, GeneratorTerms, Mixed, Rows, WithMetricNetwork, shape_of
from nearkin.training.generated_groups import ROLES, Mover, set_rates, trained_groups
from nearkin.training.plan import TrainingPlan
from nearkin.training.step import Stepped, check_rows, checked_value, failing_where_not_finite


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
    set_rates(optimizer, plan, step, 1.0 if pretraining else settings.cnn_rate)
    if frozen:
        network.features_network.eval()
    with torch.set_grad_enabled(not frozen):
        features = network.features(images)
    check_rows(features, images)
    on_features = pretraining and settings.pretraining_on == "features"
    embeddings = features if on_features else network.metric(features)
    with failing_where_not_finite():
        rows = loss.rows(embeddings, labels, generator=generator)
    if loss.class_means is not None:
        loss.class_means.update(features, labels)
    shared = features if settings.gradients == "joint" else features.detach()
    batch = _Batch(rows, labels, shared, *rows.flat(shared))
    mover = Mover(network, loss, optimizer, plan)
    with failing_where_not_finite():
        if pretraining or not rows or not loss.generates:
            found = _with_real_rows(loss, batch, embeddings, mover)
        elif settings.gradients == "joint":
            found = _jointly(network, loss, batch, embeddings, mover)
        else:
            found = _in_three_steps(network, loss, batch, embeddings, mover)
    return _stepped(loss, found, embeddings)


def _with_real_rows(loss: Adversarial, batch: _Batch, embeddings: Tensor, mover: Mover) -> _Found:
    mixed = loss.metric_term(batch.rows, embeddings, None)
    checked_value("loss", mixed.value)
    if batch.rows:
        mover.move(mixed.value, ("cnn", "metric", "own"))
    return _Found(mixed, mover.norms)


def _in_three_steps(
    network: WithMetricNetwork, loss: Adversarial, batch: _Batch, embeddings: Tensor, mover: Mover
) -> _Found:
    """The table's column (d): J_m moves F and W, J_gen the generator of negatives, J_gen+ that of positives."""
    generated = loss.generate(batch.anchor, batch.positive, batch.negative)
    mixed = _metric_part(network, loss, batch, embeddings, generated)
    checked_value("loss", mixed.value)
    mover.move(mixed.value, ("cnn", "metric", "own"))
    terms, positives = _generator_part(network, loss, batch, generated)  # by W as it is after its step
    told = _told(loss, batch, generated, terms, positives)
    for found, role in ((terms, "gneg"), (positives, "gpos")):
        if found is not None:
            mover.move(found.total, (role,))
    return _Found(mixed, {**told, **mover.norms})


def _jointly(network: WithMetricNetwork, loss: Adversarial, batch: _Batch, embeddings: Tensor, mover: Mover) -> _Found:
    """The table's column (b): one sum of all terms moves all groups."""
    generated = loss.generate(batch.anchor, batch.positive, batch.negative)
    mixed = _metric_part(network, loss, batch, embeddings, generated)
    checked_value("loss", mixed.value)
    terms, positives = _generator_part(network, loss, batch, generated)
    told = _told(loss, batch, generated, terms, positives)
    mover.move(mixed.value + sum(found.total for found in (terms, positives) if found is not None), ROLES)
    return _Found(mixed, {**told, **mover.norms})


def _metric_part(
    network: WithMetricNetwork, loss: Adversarial, batch: _Batch, embeddings: Tensor, generated: Generated
) -> Mixed:
    """J_m; generated features are constants, but for the joint sum."""
    joint = loss.settings.gradients == "joint"
    seen = generated.negative if joint else generated.negative.detach()
    return loss.metric_term(batch.rows, embeddings, network.metric(seen))


def _generator_part(
    network: WithMetricNetwork, loss: Adversarial, batch: _Batch, generated: Generated
) -> tuple[GeneratorTerms | None, GeneratorTerms | None]:
    """J_gen and J_gen+, without a gradient to W, but for the joint sum. None for what is not trained."""
    joint = loss.settings.gradients == "joint"
    if not joint and not loss.learns:
        return None, None
    with _asking_nothing(network.metric, joint):
        terms = loss.negative_terms(batch.anchor, batch.positive, batch.negative, generated, network.metric)
    return terms, loss.positive_terms(batch.anchor, batch.positive, generated)


def gradient_table(
    network: WithMetricNetwork,
    loss: Adversarial,
    images: Tensor,
    labels: Tensor,
    *,
    generator: torch.Generator,
) -> dict[str, dict[str, float]]:
    """Norm of the gradient that each term would send to each group, in a step after pretraining [DML-7, DML-14].

    {"J_m": {"cnn": 0.7, "metric": 0.2, "own": 0.0, "gneg": 0.0, "gpos": 0.0}, "J_hard": ..., ...}. Nothing moves
    """
    features = network.features(images)
    embeddings = network.metric(features)
    rows = loss.rows(embeddings, labels, generator=generator)
    shared = features if loss.settings.gradients == "joint" else features.detach()
    batch = _Batch(rows, labels, shared, *rows.flat(shared))
    generated = loss.generate(batch.anchor, batch.positive, batch.negative)
    terms, positives = _generator_part(network, loss, batch, generated)
    found = {"J_m": _metric_part(network, loss, batch, embeddings, generated).value}
    if terms is not None and terms.adversarial is not None:
        found |= {"J_hard": terms.near, "J_reg": terms.regular, "J_adv": terms.adversarial}
    if positives is not None:
        found |= {"J_hard+": positives.near, "J_reg+": positives.regular}
    groups = trained_groups(network, loss)
    return {name: {role: _norm(value, several) for role, several in groups.items()} for name, value in found.items()}


def _norm(value: Tensor, parameters: list[nn.Parameter]) -> float:
    if not parameters or not value.requires_grad:
        return 0.0
    found = torch.autograd.grad(value, parameters, allow_unused=True, retain_graph=True)
    return math.hypot(*(float(gradient.norm()) for gradient in found if gradient is not None))


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


@contextmanager
def _asking_nothing(module: nn.Module, joint: bool) -> Iterator[None]:
    """Inside, no graph asks a gradient of the module's parameters; in a joint sum it does."""
    asking = [parameter for parameter in module.parameters() if parameter.requires_grad and not joint]
    for parameter in asking:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)
