"""The loop: what a step does, which weights are kept, what is said, and that one seed makes a run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nearkin.core import InputError, derived_seed
from nearkin.losses import Contrastive, Triplet
from nearkin.training import History, StepReport, TrainingFailed, train
from training.setting import Remembering, Rounds, bits, images, labels, network, plan, separation


def run(net: nn.Module, loss: nn.Module, **options: Any) -> History:
    settings = {"plan": plan(), "sampler": Rounds(), "images": images, "labels": labels, **options}
    return train(net, loss, settings.pop("images"), settings.pop("labels"), settings.pop("plan"), **settings)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "sgd"},
        {"weight_decay": 0.3},
        {"optimizer": "sgd", "weight_decay": 0.3, "schedule": "cosine"},
        {"schedule": "cosine", "loss_learning_rate": 0.1},
        {"gradient_clip": 0.01, "optimizer": "sgd"},
    ],
)
def test_a_run_equals_a_loop_written_out_by_hand(changes: dict[str, Any]) -> None:
    settings = plan(**changes)
    ours, loss = network().double(), Remembering(mining="random").double()
    history = run(ours, loss, plan=settings)
    by_hand, own, losses = hand_written(network().double(), Remembering(mining="random").double(), settings)
    for found, expected in zip(ours.state_dict().values(), by_hand.state_dict().values(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-8)  # Adam magnifies a gradient of 0
    torch.testing.assert_close(loss.distance.stretch, own.distance.stretch, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(history.curves["loss"], losses, rtol=1e-9)


def hand_written(net: nn.Module, loss: Any, settings: Any) -> tuple[nn.Module, Any, list[float]]:
    """The update rules with plain arithmetic: AdamW [Loshchilov and Hutter 2019], SGD with Nesterov momentum 0.9."""
    drawn = [batch for number in range(20) for batch in Rounds().epoch(number)]
    rate, own_rate = settings.learning_rate, settings.loss_learning_rate or settings.learning_rate
    trained = [(p, rate, settings.weight_decay if p.ndim > 1 else 0.0) for p in net.parameters()]
    trained += [(p, own_rate, 0.0) for p in loss.parameters()]
    first, second = ([torch.zeros_like(p) for p, _, _ in trained] for _ in range(2))
    losses = []
    for step in range(1, settings.steps + 1):
        batch = drawn[step - 1]
        generator = torch.Generator().manual_seed(derived_seed(settings.seed, "loss", step))
        value = loss(net(torch.from_numpy(images[batch])), torch.from_numpy(labels[batch]), generator=generator)
        losses.append(value.item())
        gradients = torch.autograd.grad(value, [p for p, _, _ in trained])
        norm = math.sqrt(sum(float(g.square().sum()) for g in gradients))
        if settings.gradient_clip and norm > settings.gradient_clip:
            gradients = [g * settings.gradient_clip / (norm + 1e-6) for g in gradients]
        cosine = (1 + math.cos(math.pi * (step - 1) / settings.steps)) / 2 if settings.schedule == "cosine" else 1
        with torch.no_grad():
            for i, ((p, base, decay), g) in enumerate(zip(trained, gradients, strict=True)):
                lr = base * cosine
                if settings.optimizer == "adam":
                    p *= 1 - lr * decay
                    first[i] = 0.9 * first[i] + 0.1 * g
                    second[i] = 0.999 * second[i] + 0.001 * g * g
                    root = (second[i] / (1 - 0.999**step)).sqrt() + 1e-8
                    p -= lr * first[i] / (1 - 0.9**step) / root
                else:
                    g = g + decay * p
                    first[i] = g if step == 1 else 0.9 * first[i] + g
                    p -= lr * (g + 0.9 * first[i])
    return net, loss, losses


def test_training_separates_the_classes() -> None:
    net = network()
    before = separation(net.eval())
    history = run(net, Triplet(margin=0.5), plan=plan(steps=60), validate=separation)
    assert separation(net) > 1.5 * before
    assert history.best_validation == pytest.approx(separation(net), rel=1e-5)


def test_one_seed_makes_a_run_and_the_global_random_state_neither_matters_nor_moves() -> None:
    results = []
    for seed, world in ((3, 0), (3, 1), (4, 0)):
        torch.manual_seed(world)
        state = torch.get_rng_state()
        net, loss = network(dropout=0.3), Remembering(mining="random")
        history = run(net, loss, plan=plan(seed=seed), validate=separation)
        assert torch.equal(torch.get_rng_state(), state)
        results.append((bits(net, loss), history.curves["loss"].tolist(), history.best_step))
    assert results[0] == results[1]
    assert results[0] != results[2]


def test_dropout_is_drawn_anew_at_every_step() -> None:
    masks: list[bytes] = []
    for _ in range(2):
        dropout = nn.Dropout(0.5)
        dropout.register_forward_hook(lambda _, __, x: masks.append((x == 0).numpy().tobytes()))
        run(nn.Sequential(nn.Flatten(), nn.Linear(36, 16), dropout, nn.Linear(16, 3)), Triplet())
    assert len(set(masks)) == 20
    assert masks[:20] == masks[20:]


def test_drawing_in_a_validation_or_a_callback_does_not_change_the_run() -> None:
    def draws(anything: object) -> float:
        return float(torch.rand(3).sum())

    quiet, loud = network(dropout=0.3), network(dropout=0.3)
    run(quiet, Triplet(), validate=lambda _: 0.0)
    run(loud, Triplet(), validate=lambda net: draws(net) * 0, on_step=draws)
    assert bits(quiet) == bits(loud)


def test_the_weights_of_the_best_validation_are_kept_the_earliest_of_equal_ones() -> None:
    values, seen = iter([0.2, 0.7, 0.5, 0.7, 0.1]), []
    loss = Remembering()

    def validate(net: nn.Module) -> float:
        seen.append(bits(net, loss))
        return next(values)

    net = network()
    history = run(net, loss, plan=plan(steps=10, validate_every=2), validate=validate)
    assert (history.best_step, history.best_validation) == (4, 0.7)
    assert bits(net, loss) == seen[1] != seen[4]
    steps = history.curves["step"][np.isfinite(history.curves["validation"])]
    assert steps.tolist() == [2, 4, 6, 8, 10]


def test_the_last_step_is_validated_even_off_the_beat() -> None:
    history = run(network(), Triplet(), plan=plan(steps=9, validate_every=4), validate=separation)
    assert history.curves["step"][np.isfinite(history.curves["validation"])].tolist() == [4, 8, 9]


def test_without_a_validation_the_last_weights_are_the_result() -> None:
    long, short = network(), network()
    assert run(long, Triplet(), plan=plan(steps=9)).best_step == 9
    history = run(short, Triplet(), plan=plan(steps=8))
    assert (history.best_step, history.best_validation, history.stopped) == (8, None, "budget")
    assert bits(long) != bits(short)


def test_patience_ends_a_run_that_no_longer_improves() -> None:
    values = iter([0.1, 0.5, 0.4, 0.5, 9.0])
    settings = plan(steps=30, validate_every=3, patience=2)
    history = run(network(), Triplet(), plan=settings, validate=lambda _: next(values))
    assert (history.stopped, history.steps, history.best_step) == ("patience", 12, 6)


def test_validation_sees_the_evaluation_mode_and_steps_the_training_mode() -> None:
    modes = []
    net = network(dropout=0.5)
    net.register_forward_pre_hook(lambda module, _: modes.append(module.training))

    def validate(module: nn.Module) -> float:
        assert not module.training
        assert not torch.is_grad_enabled()
        return 0.0

    run(net, Triplet(), plan=plan(steps=4, validate_every=2), validate=validate)
    assert modes == [True] * 4
    assert not net.training


def test_the_loss_s_own_parameters_are_trained_at_their_own_rate() -> None:
    slow, fast = Remembering(), Remembering()
    run(network(), slow, plan=plan(steps=1))
    run(network(), fast, plan=plan(steps=1, loss_learning_rate=0.3))
    start = torch.linspace(0.5, 1.5, 3)
    assert (slow.distance.stretch - start).abs().max().item() == pytest.approx(0.01, rel=1e-3)
    assert (fast.distance.stretch - start).abs().max().item() == pytest.approx(0.3, rel=1e-3)


def test_frozen_parameters_stay() -> None:
    net = network()
    net.output.requires_grad_(False)
    before = bits(net.output)
    run(net, Triplet())
    assert bits(net.output) == before


def test_images_may_come_from_a_function_or_a_tensor() -> None:
    asked: list[int] = []

    def source(positions: np.ndarray) -> np.ndarray:
        asked.extend(positions)
        return images[positions]

    results = []
    for form in (images, torch.from_numpy(images), source):
        net = network()
        run(net, Triplet(), images=form)
        results.append(bits(net))
    assert results[0] == results[1] == results[2]
    assert len(asked) == 20 * 12


def test_batches_are_the_plan_s_and_the_same_for_every_network_and_loss() -> None:
    asked: list[list[np.ndarray]] = []

    def source(positions: np.ndarray) -> np.ndarray:
        asked[-1].append(positions)
        return images[positions]

    for seed, loss in ((3, Triplet()), (3, Remembering(mining="random")), (4, Triplet())):
        asked.append([])
        run(network(seed=len(asked)), loss, images=source, plan=plan(seed=seed, classes_per_batch=5), sampler=None)
    counts = [np.unique(labels[batch], return_counts=True)[1].tolist() for batch in asked[0]]
    assert counts == [[3] * 5] * 20
    np.testing.assert_array_equal(asked[0], asked[1])
    assert not np.array_equal(asked[0], asked[2])


def test_every_step_is_reported() -> None:
    reports: list[StepReport] = []
    history = run(network(), Triplet(), validate=separation, on_step=reports.append)
    assert [r.step for r in reports] == list(range(1, 21)) == history.curves["step"].tolist()
    assert [r.loss for r in reports] == history.curves["loss"].tolist()
    assert [r.epoch for r in reports] == [i // 4 for i in range(20)] == history.curves["epoch"].tolist()
    assert [r.step for r in reports if r.validation is not None] == [7, 14, 20]
    assert all(0 <= r.active <= 1 and r.positive > 0 and r.negative > 0 for r in reports)
    assert reports[-1].seconds_left == 0 < reports[0].seconds_left
    assert history.seconds == history.curves["seconds"][-1]
    assert (np.diff(history.curves["seconds"]) > 0).all()


def test_a_loss_that_is_not_a_number_stops_the_run_and_names_the_step() -> None:
    class Breaks(Triplet):
        calls = 0

        def measure(self, *arguments: Any, **keywords: Any) -> Any:
            self.calls += 1
            found = super().measure(*arguments, **keywords)
            return found._replace(value=found.value * math.nan) if self.calls == 6 else found

    with pytest.raises(
        TrainingFailed, match=r"the loss is nan, at step 6 of 20 \(learning rate 0.01\); nothing is saved"
    ):
        run(network(), Breaks())


def test_embeddings_too_far_apart_for_their_type_stop_the_run_and_name_the_step() -> None:
    class Far(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network()

        def forward(self, seen: torch.Tensor) -> torch.Tensor:
            return 1e22 * self.inner(seen)

    with pytest.raises(
        TrainingFailed, match=r"^distances of the embeddings are no longer finite, at step 1 of 20 .* lower learning_rate"
    ):
        run(Far(), Triplet())


def test_weights_that_explode_stop_the_run() -> None:
    settings = plan(learning_rate=1e30, optimizer="sgd")
    with pytest.raises(TrainingFailed, match=r"no longer finite, at step \d+ of 20"):
        run(network(), Contrastive(distance="squared-euclidean"), plan=settings)


def test_weights_that_explode_at_the_last_step_are_not_called_a_result() -> None:
    with pytest.raises(TrainingFailed, match="the weights are no longer finite, at step 1 of 1"):
        run(network(), Triplet(), plan=plan(steps=1, learning_rate=1e300, optimizer="sgd"))


def test_images_that_are_not_finite_are_blamed_themselves() -> None:
    broken = images.copy()
    broken[:, 0, 2, 2] = np.nan
    with pytest.raises(InputError, match="an image of the batch has a pixel that is not finite"):
        run(network(), Triplet(), images=broken)


def test_a_validation_that_is_not_a_number_stops_the_run() -> None:
    with pytest.raises(TrainingFailed, match="the validation is nan, at step 7 of 20"):
        run(network(), Triplet(), validate=lambda _: math.nan)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labels": labels[:-1]}, "60 images and 59 labels"),
        ({"labels": labels.astype(float)}, r"labels must be integers of shape \(N,\), got float64"),
        ({"labels": labels[:, None]}, r"of shape \(60, 1\)"),
        ({"images": (images * 255).astype(np.uint8)}, "images must be floating point"),
        ({"images": images.transpose(0, 2, 3, 1)}, "channels come last"),
        ({"images": lambda positions: images[positions][1:]}, "gave 11 images for 12 positions"),
        ({"sampler": Rounds(batches=0)}, "no batch in epoch 0"),
        ({"sampler": None, "plan": plan(classes_per_batch=7)}, "classes_per_batch is 7, but there are only 6 classes"),
        ({"plan": plan(device="cuda:99")}, r"device 'cuda:99' is not there: torch sees \d+ CUDA devices"),
        ({"plan": plan(device="cpu:x")}, "device must be cpu, cuda"),
        ({"checkpoint_seconds": -1.0, "folder": "unused"}, "checkpoint_seconds must be"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(options: dict[str, Any], words: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words):
        run(network(), Triplet(), **options)
    assert not list(tmp_path.iterdir())


def test_something_that_is_no_loss_of_nearkin_is_refused() -> None:
    with pytest.raises(InputError, match="must be a loss of nearkin"):
        run(network(), nn.TripletMarginLoss())


@pytest.mark.gpu
def test_a_run_on_a_graphics_card_ends_where_one_on_the_processor_does() -> None:
    here, there = network(), network()
    run(here, Triplet())
    run(there, Triplet(), plan=plan(device="cuda"))
    assert all(p.is_cuda for p in there.parameters())
    for a, b in zip(here.parameters(), there.parameters(), strict=True):
        torch.testing.assert_close(a, b.cpu(), rtol=1e-2, atol=1e-3)
