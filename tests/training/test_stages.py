"""Two stages: the head alone until the validation stands still, then the backbone too, stopped and resumed anywhere."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nearkin.core import InputError, InputTypeError
from nearkin.losses import Triplet
from nearkin.networks import Backbone, EmbeddingHead, FineTuned
from nearkin.training import History, Interrupted, StepReport, TrainingPlan, Unfreezing, train
from nearkin.training.unfreezing import Stages
from training.setting import Remembering, Rounds, bits, images, labels, network, plan, separation
from training.test_resume import facts, stop_at


@pytest.fixture(autouse=True)
def _ctrl_c_as_in_a_terminal() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Trunk(nn.Module):
    """A backbone in small, with batch norm, of which nothing moves while it is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(network(seed=4), nn.BatchNorm1d(3))
        self.frozen = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)

    def freeze(self) -> Trunk:
        self.frozen = True
        return self.requires_grad_(False).eval()

    def unfreeze(self) -> Trunk:
        self.frozen = False
        return self.requires_grad_(True).train()

    def train(self, mode: bool = True) -> Trunk:
        return super().train(mode and not self.frozen)


class Tuned(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head = Trunk(), EmbeddingHead(3, 3, seed=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x))


STAGES = {"unfreeze": {"latest": 8, "learning_rate": 0.003}, "schedule": "cosine", "weight_decay": 0.1}


def run(folder: Path | None = None, **options: Any) -> tuple[History, Tuned, nn.Module]:
    net, loss = options.pop("net", None) or Tuned(), options.pop("loss", None) or Remembering(mining="random")
    settings = options.pop("plan", None) or plan(**STAGES)
    kept = {"sampler": Rounds(), "validate": separation, "checkpoint_seconds": 0, **options}
    return train(net, loss, images, labels, settings, folder=folder, **kept), net, loss


class Watching:
    """The weights of both parts after every step."""

    def __init__(self, net: Tuned) -> None:
        self.net, self.trunk, self.head = net, [bits(net.backbone)], [bits(net.head)]

    def __call__(self, report: StepReport) -> None:
        self.trunk.append(bits(self.net.backbone))
        self.head.append(bits(self.net.head))


def test_the_backbone_moves_from_the_step_after_unfreezing_on_and_the_head_from_the_first() -> None:
    net = Tuned()
    seen = Watching(net)
    history, _, _ = run(net=net, on_step=seen)
    assert history.unfrozen_at == 8
    assert all(now == seen.trunk[0] for now in seen.trunk[:9])
    assert all(now != before for before, now in zip(seen.trunk[8:], seen.trunk[9:]))
    assert all(now != before for before, now in zip(seen.head, seen.head[1:]))
    assert "step 8: the backbone was unfrozen, since its 8 steps are over; learning rate 0.003" in history.notes


def test_the_second_stage_has_its_own_rate_and_its_own_cosine(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[dict[str, set[float]]] = []
    step = torch.optim.AdamW.step

    def watched(self: torch.optim.AdamW, *arguments: Any, **options: Any) -> Any:
        rates.append({role: {g["lr"] for g in self.param_groups if g["role"] == role} for role in ("network", "loss")})
        decayed = {g["weight_decay"] for g in self.param_groups if all(p.ndim > 1 for p in g["params"])}
        assert decayed == {0.1}
        assert {g["weight_decay"] for g in self.param_groups if any(p.ndim <= 1 for p in g["params"])} == {0.0}
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    run(plan=plan(**STAGES, loss_learning_rate=0.5))
    whole, rest = plan(schedule="cosine"), plan(schedule="cosine", steps=12)
    first = [0.01 * whole.rate_factor(k) for k in range(1, 9)]
    second = [0.003 * rest.rate_factor(k) for k in range(1, 13)]
    assert [sorted(rate["network"]) for rate in rates] == [[pytest.approx(rate)] for rate in first + second]
    assert [sorted(rate["loss"]) for rate in rates] == [[pytest.approx(50 * rate)] for rate in first] + [
        [pytest.approx(0.5 / 0.003 * rate)] for rate in second
    ]


def test_the_head_s_moments_are_kept_and_the_backbone_s_begin_at_nothing() -> None:
    """With moments at hand the step after unfreezing is no larger than a usual one; a new optimiser's would be signs."""
    net = Tuned()
    weights: list[torch.Tensor] = []
    run(
        net=net,
        plan=plan(unfreeze={"latest": 8, "learning_rate": 0.01}),
        on_step=lambda _: weights.append(net.head.output.weight.detach().clone()),
    )
    jump = (weights[8] - weights[7]).abs()
    assert not torch.allclose(jump, torch.full_like(jump, 0.01), rtol=1e-3)


def test_without_a_plateau_of_the_validation_the_backbone_stays_frozen() -> None:
    growing = iter(range(1, 100))
    history, net, _ = run(
        plan=plan(validate_every=2, unfreeze={"patience": 2}), validate=lambda _: float(next(growing))
    )
    assert history.unfrozen_at is None
    assert bits(net.backbone) == bits(Tuned().backbone)


def test_the_first_stage_ends_when_the_validation_stands_still() -> None:
    values = iter([1.0, 1.0005, 1.001, 1.0011, 1.1, *[1.1] * 50])
    history, _, _ = run(plan=plan(validate_every=2, unfreeze={"patience": 2}), validate=lambda _: next(values))
    assert history.unfrozen_at == 6  # 1.001 is not more than 0.1 % above 1
    assert "the validation has not grown by 0.10 % of 1 in 2 validations; learning rate 0.001" in history.notes[0]


@pytest.mark.parametrize(
    ("best", "next_", "better"), [(-2.0, -1.9985, False), (-2.0, -1.997, True), (0.0, 1e-9, True), (0.0, 0.0, False)]
)
def test_growth_is_measured_by_the_size_of_the_best_whatever_its_sign(best: float, next_: float, better: bool) -> None:
    stages = Stages(Unfreezing(patience=1))
    stages.validated(best)
    stages.validated(next_)
    assert (stages.reason(10) is None) is better


def test_early_stopping_counts_from_the_second_stage_on() -> None:
    level = plan(validate_every=2, patience=2, unfreeze={"patience": 4})
    history, _, _ = run(plan=level, validate=lambda _: 1.0)
    assert (history.unfrozen_at, history.stopped, history.steps) == (10, "patience", 14)


@pytest.mark.parametrize("at", [(3,), (8,), (9,), (5, 8, 9, 13, 19)])
def test_a_run_that_was_stopped_in_either_stage_or_between_them_ends_with_the_same_bits(
    tmp_path: Path, at: tuple[int, ...]
) -> None:
    whole, net, loss = run()
    for step in at:
        with pytest.raises(Interrupted):
            run(tmp_path, on_step=stop_at(step))
    history, again, own = run(tmp_path)
    assert facts(history) == facts(whole)
    assert history.unfrozen_at == whole.unfrozen_at == 8
    assert bits(again, own) == bits(net, loss)


def test_the_network_that_was_stopped_in_the_second_stage_may_be_given_again(tmp_path: Path) -> None:
    whole, expected, _ = run()
    net, loss = Tuned(), Remembering(mining="random")
    with pytest.raises(Interrupted):
        run(tmp_path, net=net, loss=loss, on_step=stop_at(13))
    assert not net.backbone.frozen
    history, _, _ = run(tmp_path, net=net, loss=loss)
    assert facts(history) == facts(whole)
    assert bits(net) == bits(expected)


def test_a_plateau_is_waited_for_on_after_a_pause(tmp_path: Path) -> None:
    settings = {"plan": plan(validate_every=2, unfreeze={"patience": 3}), "validate": lambda _: 1.0}
    with pytest.raises(Interrupted):
        run(tmp_path, on_step=stop_at(5), **settings)
    assert run(tmp_path, **settings)[0].unfrozen_at == run(**settings)[0].unfrozen_at == 8


def test_a_finished_run_is_read_back_with_its_stages(tmp_path: Path) -> None:
    history, net, _ = run(tmp_path)
    again, other, _ = run(tmp_path)
    assert (again.unfrozen_at, again.notes) == (8, history.notes)
    assert bits(other) == bits(net)
    assert not other.backbone.frozen


def test_the_record_speaks_of_stages_only_where_there_are_two(tmp_path: Path) -> None:
    run(tmp_path / "two")
    train(network(), Remembering(mining="random"), images, labels, plan(), sampler=Rounds(), folder=tmp_path / "one")
    two, one = (json.loads((tmp_path / name / "training.json").read_text()) for name in ("two", "one"))
    assert two["unfrozen_at"] == 8
    assert two["identity"]["unfreeze"] == {"patience": 5, "relative": 0.001, "learning_rate": 0.003, "latest": 8}
    assert "unfrozen_at" not in one
    assert "unfreeze" not in one["identity"]


def test_another_first_stage_is_another_run(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(InputError, match="holds another run: unfreeze was"):
        run(tmp_path, plan=plan(**{**STAGES, "unfreeze": {"latest": 9}}))


def test_networks_without_a_backbone_and_stages_without_an_end_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"this one, Network, has none. In a recipe: network.backbone with frozen: false"
    ):
        train(network(), Remembering(mining="random"), images, labels, plan(**STAGES), validate=separation)
    with pytest.raises(InputError, match="nothing is validated here"):
        run(plan=plan(unfreeze={}), validate=None)
    history, _, _ = run(plan=plan(**STAGES), validate=None)
    assert history.unfrozen_at == 8


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"patience": 0}, "patience"),
        ({"relative": -1.0}, "relative"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"latest": 0}, "latest"),
    ],
)
def test_a_setting_out_of_range_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        plan(unfreeze=changes)
    with pytest.raises(InputError, match=words):
        Unfreezing(**changes)


def test_unfreeze_is_settings_and_nothing_else() -> None:
    with pytest.raises(InputTypeError, match="unfreeze must be an Unfreezing or its settings, got True"):
        plan(unfreeze=True)
    assert plan(unfreeze={}).second_rates() == (0.001, 0.001)
    assert plan(unfreeze=Unfreezing(learning_rate=0.2), loss_learning_rate=0.5).second_rates() == (0.2, 0.5)


def test_a_real_backbone_keeps_its_statistics_and_moves_its_scales() -> None:
    backbone = Backbone("mobilenet_v2", "random", size=32, freeze_batch_norm=True)
    net = FineTuned(backbone, EmbeddingHead(1280, 4))
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    settings = TrainingPlan(steps=3, classes_per_batch=3, images_per_class=2, unfreeze={"latest": 2})
    history = train(net, Triplet(1.0), images, labels, settings)
    moved = {name for name, tensor in backbone.state_dict().items() if not torch.equal(tensor, before[name])}
    assert history.unfrozen_at == 2
    assert not {name for name in moved if "running" in name or "num_batches" in name}
    assert any(name.endswith("1.weight") for name in moved)
    assert len(moved) > 100
