"""What a step with generated negatives moves, what it leaves, and what it says: gradient tables, phases, degenerate batches."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nearkin.core import InputError
from nearkin.generation import COLUMNS, PRESETS, Adversarial, WithMetricNetwork
from nearkin.losses import Contrastive, NPair, Triplet
from nearkin.losses.lifted import Lifted
from nearkin.networks.layers import linear
from nearkin.training import TrainingFailed, TrainingPlan, gradient_table, train
from nearkin.training.generated_groups import optimizer_groups, trained_groups
from nearkin.training.generated_step import take_generated_step
from nearkin.training.step import make_optimizer

LABELS = torch.arange(4).repeat(3)
PLAN = TrainingPlan(steps=8, classes_per_batch=4, images_per_class=3)


def images(count: int = 12, seed: int = 3) -> Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))


def made(
    base: Any = None, preset: str = "nearkin", seed: int = 1, **switches: Any
) -> tuple[WithMetricNetwork, Adversarial]:
    """A small network and its loss, all weights filled with noise, so that every path is open."""
    loss = Adversarial(base, preset, **switches)
    stream = torch.Generator().manual_seed(seed)
    network = loss.network(linear(6, 4, 0.4, generator=stream), 4)
    with torch.no_grad():
        for parameter in [*network.parameters(), *loss.parameters()]:
            parameter += 0.3 * torch.randn(parameter.shape, generator=stream)
    return network, loss


def stream() -> torch.Generator:
    return torch.Generator().manual_seed(5)


JOINT = {"J_m": "cnn metric gneg", "J_hard": "cnn gneg", "J_reg": "cnn gneg", "J_adv": "cnn metric gneg"}
OURS = {"J_m": "cnn metric", "J_hard": "gneg", "J_reg": "gneg", "J_adv": "gneg", "J_hard+": "gpos", "J_reg+": "gpos"}
THREE = {name: groups for name, groups in OURS.items() if not name.endswith("+")}


@pytest.mark.parametrize(
    ("switches", "table"),
    [
        ({"preset": "daml", "generator": "plain"}, JOINT),
        ({"preset": "nearkin"}, THREE),
        ({"preset": "nearkin", "synthetic_positive": True}, OURS),
        ({"preset": "dgm", "cnn_rate": 1.0}, OURS),
        ({"synthetic_positive": True, "adversarial_positive": "synthetic"}, OURS),
    ],
)
@pytest.mark.parametrize("base", [None, NPair(), Lifted(5.0), Contrastive(5.0)], ids=lambda base: type(base).__name__)
def test_terms_reach_exactly_the_groups_of_the_table(
    switches: dict[str, Any], table: dict[str, str], base: Any
) -> None:
    if base is None:
        base = Triplet(20.0, distance="squared-euclidean")
    network, loss = made(base, **{**switches, "margin": 0.01})
    found = gradient_table(network, loss, images(), LABELS, generator=stream())
    reached = {term: {role for role, norm in groups.items() if norm > 0} for term, groups in found.items()}
    assert reached == {term: set(groups.split()) for term, groups in table.items()}


def weights(network: WithMetricNetwork, loss: Adversarial) -> dict[str, list[Tensor]]:
    return {role: [p.detach().clone() for p in some] for role, some in trained_groups(network, loss).items()}


def moved(network: WithMetricNetwork, loss: Adversarial, step: int, plan: TrainingPlan = PLAN) -> set[str]:
    optimizer = make_optimizer(optimizer_groups(network, loss, plan), plan)
    before = weights(network, loss)
    take_generated_step(network, loss, images(), LABELS, optimizer, plan, step, generator=stream())
    after = weights(network, loss)
    return {
        role for role in before if any(not torch.equal(a, b) for a, b in zip(before[role], after[role], strict=True))
    }


@pytest.mark.parametrize(
    ("preset", "pretraining", "after"),
    [
        ("nearkin", {"cnn", "metric"}, {"cnn", "metric", "gneg"}),
        ("daml", {"cnn"}, {"cnn", "metric", "gneg"}),
        ("dgm", {"cnn"}, {"metric", "gneg", "gpos"}),
    ],
)
def test_what_moves_while_pretraining_and_after(preset: str, pretraining: set[str], after: set[str]) -> None:
    network, loss = made(Triplet(20.0), preset, pretraining=0.25)
    assert moved(network, loss, 2) == pretraining
    assert moved(network, loss, 3) == after


def test_rates_after_pretraining_are_the_presets() -> None:
    network, loss = made(preset="daml", pretraining=0.25)
    optimizer = make_optimizer(optimizer_groups(network, loss, PLAN), PLAN)
    for step, cnn in ((2, 1.0), (3, 0.001)):
        take_generated_step(network, loss, images(), LABELS, optimizer, PLAN, step, generator=stream())
        rates = {group["role"]: group["lr"] / PLAN.learning_rate for group in optimizer.param_groups}
        assert rates == pytest.approx({"cnn": cnn, "metric": 1.0, "gneg": 0.1})


def test_weight_decay_is_on_the_weights_of_both_networks_alone_and_on_nothing_that_is_not_trained() -> None:
    plan = replace(PLAN, weight_decay=0.1)
    network, loss = made(synthetic_positive=True)
    matrices = {id(p) for p in network.parameters() if p.ndim > 1}
    for group in optimizer_groups(network, loss, plan):
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.1 if id(parameter) in matrices else 0.0)
    network, loss = made(Triplet(20.0), "daml", pretraining=0.25)
    assert moved(network, loss, 2, plan) == {"cnn"}


def test_each_of_the_three_gradients_is_clipped_alone() -> None:
    plan = replace(PLAN, gradient_clip=0.001, optimizer="sgd", learning_rate=1.0)
    network, loss = made(Triplet(20.0), synthetic_positive=True, pretraining=0.0)
    optimizer = make_optimizer(optimizer_groups(network, loss, plan), plan)
    before = weights(network, loss)
    take_generated_step(network, loss, images(), LABELS, optimizer, plan, 1, generator=stream())
    after = weights(network, loss)
    for roles in (("cnn", "metric"), ("gneg",), ("gpos",)):
        steps = [(a - b).flatten() for role in roles for a, b in zip(before[role], after[role], strict=True)]
        assert float(torch.cat(steps).norm()) == pytest.approx(0.001 * 1.9, rel=1e-3)  # Nesterov's first step


def test_a_frozen_features_network_is_in_evaluation_mode_and_its_statistics_stay() -> None:
    loss = Adversarial(preset="dgm", pretraining=0.25)
    network = loss.network(nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4)), 4).train()
    statistics = network.features_network[1]
    optimizer = make_optimizer(optimizer_groups(network, loss, PLAN), PLAN)
    seen = []
    for step in (1, 2, 3, 4):
        network.train()
        take_generated_step(network, loss, images(seed=step), LABELS, optimizer, PLAN, step, generator=stream())
        seen.append(statistics.running_mean.clone())
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(seen[1], seen[2]) and torch.equal(seen[2], seen[3])


def test_features_are_computed_once_a_step() -> None:
    network, loss = made(synthetic_positive=True, pretraining=0.0)
    calls = []
    network.features_network.register_forward_hook(lambda *_: calls.append(1))
    assert moved(network, loss, 1) == {"cnn", "metric", "gneg", "gpos"}
    assert len(calls) == 1


def test_the_metric_learns_from_generated_rows_alone_when_w_is_one_and_never_when_it_is_zero() -> None:
    network, loss = made(w_generated=0.0, pretraining=0.0)
    assert not loss.generates
    assert moved(network, loss, 1) == {"cnn", "metric"}
    for share in (0.0, 0.3, 1.0):
        network, loss = made(Triplet(20.0, distance="squared-euclidean"), w_generated=share, metric_weight=2.0)
        features = network.features(images()).detach()
        rows = loss.rows(features, LABELS, generator=stream())
        generated = network.metric(loss.generate(*rows.flat(features)).negative)
        mixed = loss.metric_term(rows, network.metric(features), generated)
        real, synthetic = (0.0 if one is None else float(one.value.detach()) for one in (mixed.real, mixed.generated))
        assert float(mixed.value.detach()) == pytest.approx(2 * ((1 - share) * real + share * synthetic), rel=1e-6)
        assert (mixed.real is None) == (share == 1) and (mixed.generated is None) == (share == 0)


DEGENERATE = {"one class": [1] * 6, "no pairs": list(range(6)), "one image": [0], "one pair and nobody else": [2, 2]}


@pytest.mark.parametrize("base", [Triplet(), Triplet(mining="batch-hard"), NPair(), Lifted(), Contrastive()], ids=repr)
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("labels", DEGENERATE.values(), ids=list(DEGENERATE))
@pytest.mark.filterwarnings("ignore:.*no valid term")
def test_a_batch_without_rows_costs_nothing_and_moves_nothing(base: Any, preset: str, labels: list[int]) -> None:
    network, loss = made(base, preset, pretraining=0.0)
    optimizer = make_optimizer(optimizer_groups(network, loss, PLAN), PLAN)
    for _ in range(2):  # momentum of a step with rows would move what has a zero gradient
        take_generated_step(network, loss, images(), LABELS, optimizer, PLAN, 1, generator=stream())
    before = weights(network, loss)
    given = torch.tensor(labels)
    found = take_generated_step(network, loss, images(len(labels)), given, optimizer, PLAN, 1, generator=stream())
    assert found.loss == 0
    assert all(
        torch.equal(a, b)
        for role, some in weights(network, loss).items()
        for a, b in zip(before[role], some, strict=True)
    )
    x = images(len(labels))[:, :4].clone().requires_grad_()
    value = loss(x, given, generator=stream())
    assert value == 0 and value.requires_grad


def test_images_that_are_one_and_the_same_have_finite_gradients() -> None:
    for preset in PRESETS:
        network, loss = made(preset=preset, pretraining=0.0)
        same = images(1).expand(12, -1)
        found = gradient_table(network, loss, same, LABELS, generator=stream())
        assert all(math.isfinite(norm) for groups in found.values() for norm in groups.values())


def test_features_too_far_apart_for_their_type_stop_the_run() -> None:
    loss = Adversarial(Triplet(), pretraining=1.0, pretraining_on="features", normalize_features=False)
    network = loss.network(linear(6, 4, 1e22, generator=stream()), 4)
    with pytest.raises(TrainingFailed, match="distances of the embeddings are no longer finite"):
        moved(network, loss, 1)


def test_a_generator_that_is_no_longer_finite_is_named() -> None:
    network, loss = made(preset="dgm", pretraining=0.0)
    with torch.no_grad():
        loss.positive_generator.outer.bias.fill_(1e30)
    with pytest.raises(TrainingFailed, match="generator's J_"):
        moved(network, loss, 1)


def test_a_network_without_a_metric_network_is_refused_in_words() -> None:
    loss = Adversarial()
    with pytest.raises(InputError, match=r"train loss.network\(features_network, dimensions\)"):
        train(nn.Linear(6, 4), loss, images().numpy(), LABELS.numpy(), PLAN)
    network = WithMetricNetwork(nn.Linear(6, 4), 4, normalize_features=False)
    with pytest.raises(InputError, match="asks for normalize_features=True, the network has False"):
        train(network, loss, images().numpy(), LABELS.numpy(), PLAN)
    network = loss.network(nn.Linear(6, 3), 4)
    with pytest.raises(InputError, match=r"gives shape \(12, 3\); the metric network was made for \(images, 4\)"):
        train(network, loss, images().numpy(), LABELS.numpy(), PLAN)


def test_the_log_has_its_columns_after_pretraining_and_none_before() -> None:
    network, loss = made(synthetic_positive=True)
    history = train(network, loss, images(24).numpy(), LABELS.repeat(2).numpy(), PLAN)
    always = {"gradient_cnn", "gradient_metric", "active_real"}
    for name in COLUMNS:
        measured = np.isfinite(history.curves[name])
        assert measured[2:].all(), name
        assert measured[:2].any() == (name in always), name


def test_w_starts_at_the_identity() -> None:
    x = images()[:, :4]
    plain = Adversarial(normalize_features=False, normalize_embeddings=False)
    torch.testing.assert_close(plain.network(nn.Identity(), 4)(x), x)
    published = Adversarial(preset="daml").network(nn.Identity(), 4, hidden=4)
    torch.testing.assert_close(published(x), nn.functional.normalize(x, dim=1).relu())
    unit = Adversarial().network(nn.Identity(), 4)(x)
    torch.testing.assert_close(unit, nn.functional.normalize(x, dim=1))


def test_a_residual_generator_starts_at_the_real_negative_and_keeps_its_length() -> None:
    a, p, n = (images(5, seed)[:, :4] for seed in (1, 2, 3))
    loss = Adversarial(synthetic_positive=True, dimensions=4)
    found = loss.generate(a, p, n)
    torch.testing.assert_close(found.made, n)
    torch.testing.assert_close(found.positive, p)
    _, noisy = made(synthetic_positive=True)
    torch.testing.assert_close(noisy.generate(a, p, n).made.norm(dim=1), n.norm(dim=1))
    torch.testing.assert_close(noisy.generate(a, p, n).positive.norm(dim=1), p.norm(dim=1))
