"""A run with generated negatives: resumes to the bit, logs what it made, and says when a generator goes wrong."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nearkin.core import InputError
from nearkin.evaluation import evaluate
from nearkin.generation import COLUMNS, PRESETS, Adversarial, shape_of
from nearkin.generation.class_means import ClassMeans
from nearkin.losses import NPair, RowLoss, Triplet
from nearkin.networks import embed
from nearkin.report.curves import SERIES
from nearkin.training import History, Interrupted, StepReport, train
from nearkin.training.generated_health import SIGNS, GenerationHealth
from training.setting import Remembering, Rounds, bits, images, labels, network, plan, separation


@pytest.fixture(autouse=True)
def _ctrl_c_as_in_a_terminal() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run(
    folder: Path | None, preset: str = "nearkin", base: RowLoss | None = None, on_step: Any = None, **switches: Any
) -> tuple[History, nn.Module, Adversarial]:
    loss = Adversarial(Remembering(mining="random") if base is None else base, preset, **switches)
    net = loss.network(network(dropout=0.2), 3)
    history = train(
        net, loss, images, labels, plan(), sampler=Rounds(), validate=separation, folder=folder, on_step=on_step,
        checkpoint_seconds=0,
    )  # fmt: skip
    return history, net, loss


def facts(history: History) -> tuple[Any, ...]:
    curves = {name: column.tobytes() for name, column in history.curves.items() if name != "seconds"}
    return curves, history.best_step, history.best_validation, history.notes


def stop_at(step: int) -> Any:
    def on_step(report: StepReport) -> None:
        if report.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    return on_step


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("base", [None, NPair()], ids=["with weights and memory", "n-pair"])
def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path: Path, preset: str, base: Any) -> None:
    whole, net, loss = run(None, preset, base, synthetic_positive=True, max_generated=7)
    for step in (1, 2, 5, 6, 13, 19):
        with pytest.raises(Interrupted, match=f"after step {step} of 20"):
            run(tmp_path, preset, base, stop_at(step), synthetic_positive=True, max_generated=7)
    history, again, own = run(tmp_path, preset, base, synthetic_positive=True, max_generated=7)
    assert facts(history) == facts(whole)
    assert bits(again, own) == bits(net, loss)
    assert np.isfinite(history.curves["kept_class"][-1])
    finished, third, _ = run(tmp_path, preset, base, synthetic_positive=True, max_generated=7)
    assert facts(finished) == facts(whole)
    assert bits(third) == bits(net)


def test_another_switch_is_another_run(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(InputError, match="holds another run: loss"):
        run(tmp_path, lambda2=2.0)


def test_the_curves_of_the_folder_have_the_columns_that_the_report_reads(tmp_path: Path) -> None:
    history, _, _ = run(tmp_path)
    header = (tmp_path / "curves.csv").read_text().splitlines()[0].split(",")
    assert {"step", *SERIES, *COLUMNS} <= set(header)
    assert json.loads((tmp_path / "training.json").read_text())["notes"] == list(history.notes)


def kept_apart(net: nn.Module) -> float:
    found = evaluate(torch.from_numpy(embed(net, images)), torch.from_numpy(labels), clustering=False)
    return found.scores["map@r"]


@pytest.mark.parametrize("preset", PRESETS)
def test_training_brings_kin_together(preset: str) -> None:
    """On average: what one short run gains depends on the last bits of its arithmetic."""
    gains = []
    for seed in range(3):
        loss = Adversarial(preset=preset)
        net = loss.network(network(), 3)
        before = kept_apart(net)
        train(net, loss, images, labels, plan(steps=160, seed=seed), sampler=Rounds(seed))
        gains.append(kept_apart(net) - before)
    assert np.mean(gains) > 0.02


@pytest.mark.parametrize("distance", ["mahalanobis", "relative-mahalanobis"])
def test_a_learned_distance_of_the_base_is_given_its_shape_and_learns(distance: str) -> None:
    loss = Adversarial(Triplet(20.0, distance=distance), pretraining=0.5)
    net = loss.network(network(), 3)
    train(net, loss, images, labels, plan(steps=4), sampler=Rounds())
    assert loss.distance.weight.shape == (3, 3)
    assert not torch.equal(loss.distance.weight, torch.eye(3))


# The log


def row(*values: float) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float64)


def test_the_log_says_where_generated_negatives_lie() -> None:
    a, n = row(1, 1, 0), row(3, 1, 0)
    found = shape_of(
        a.repeat(4, 1), n.repeat(4, 1), torch.cat([row(1, 1, 0), row(3, 1, 0), row(2, 1, 0), row(2, 3, 0)])
    )
    assert found["segment"] == pytest.approx((0 + 1 + 0.5 + 0.5) / 4)
    assert found["segment_50"] == pytest.approx(0.5)
    assert found["segment_10"] == pytest.approx(0.15)
    assert found["segment_90"] == pytest.approx(0.85)
    assert found["off_segment"] == pytest.approx((0 + 0 + 0 + 1) / 4)
    assert found["cosine_negatives"] == pytest.approx(1.0)
    made = np.array([[1, 1, 0], [3, 1, 0], [2, 1, 0], [2, 3, 0]], float)
    units = made / np.linalg.norm(made, axis=1, keepdims=True)
    wanted = np.mean([units[i] @ units[j] for i in range(4) for j in range(4) if i != j])
    assert found["cosine_generated"] == pytest.approx(wanted)
    assert found["norm_ratio"] == pytest.approx(np.linalg.norm(made, axis=1).mean() / math.sqrt(10))


def test_the_log_of_no_rows_and_of_equal_images_is_silent() -> None:
    a = row(1, 2, 3)
    assert shape_of(a[:0], a[:0], a[:0]) == {}
    found = shape_of(a, a, a + 1)
    assert "segment" not in found
    assert math.isnan(found["cosine_generated"])


def test_running_class_means_say_whether_a_class_is_kept() -> None:
    means = ClassMeans(torch.tensor([2, 5, 9]), 2)
    means.update(torch.tensor([[0.0, 0.0], [0.0, 2.0], [9.0, 0.0]]), torch.tensor([2, 2, 5]))
    torch.testing.assert_close(means.means[:2], torch.tensor([[0.0, 1.0], [9.0, 0.0]]))
    means.update(torch.tensor([[0.0, 11.0]]), torch.tensor([2]))
    torch.testing.assert_close(means.means[0], torch.tensor([0.0, 2.0]))
    made = torch.tensor([[0.0, 1.0], [8.0, 0.0], [8.0, 1.0]])
    assert means.kept(made, torch.tensor([2, 5, 2])) == pytest.approx(2 / 3)
    assert means.kept(made[:1], torch.tensor([9])) == 0  # a class that was never seen is no answer
    assert math.isnan(means.kept(made[:0], torch.tensor([], dtype=torch.int64)))


FINE = {
    "segment": 0.5, "off_segment": 0.1, "active_adversarial": 0.3, "active_generated": 0.4, "kept_class": 0.9,
    "cosine_generated": 0.3, "cosine_negatives": 0.2,
}  # fmt: skip
WRONG = {
    "collapse": ({"segment": 0.01}, "the generator has collapsed"),
    "unchanged": ({"segment": 1.0, "off_segment": 0.0}, "the generator has no effect"),
    "trivial": ({"active_adversarial": 0.0}, "J_adv was 0 in every row"),
    "noise": ({"off_segment": 2.0}, "they are noise"),
    "constant": ({"cosine_generated": 0.99}, "ignores its input"),
    "useless": ({"active_generated": 0.0}, "no generated negative was hard enough"),
    "another class": ({"kept_class": 0.2}, "nearest to the class that they stand for"),
}


def test_every_sign_of_trouble_has_its_case() -> None:
    assert set(WRONG) == set(SIGNS)


@pytest.mark.parametrize("kind", WRONG)
def test_trouble_that_lasts_is_said_in_words(kind: str) -> None:
    change, words = WRONG[kind]
    health = GenerationHealth(5)
    said: list[tuple[str, str]] = []
    for step in range(1, 12):
        said += health.look(step, FINE if step == 3 else {**FINE, **change})
        again = GenerationHealth(5)
        again.load(health.state())
        health = again
        assert bool(said) == (step >= 8)
    assert {name for name, _ in said} == {f"generated: {kind}"}
    assert said[0][1].startswith("step 8: for 5 steps ")
    assert words in said[0][1]


def test_what_is_not_measured_is_no_trouble() -> None:
    health = GenerationHealth(1)
    assert health.look(1, {"gradient_cnn": 1.0}) == []
    assert health.look(2, FINE) == []


def test_a_run_says_once_that_its_generator_collapsed() -> None:
    """The printed sign (+ alpha) and a heavy J_adv drive generated negatives to the anchor [DML-8.5]."""
    loss = Adversarial(
        Triplet(0.2, distance="squared-euclidean"), adversarial_margin_sign=1, lambda1=1.0, lambda2=50.0,
        pretraining=0.0, normalize_embeddings=False, cnn_rate=0.0, margin=2.0, hidden=32,
    )  # fmt: skip
    net = loss.network(network(), 3)
    for parameter in net.metric.parameters():  # W stays the identity, for which the best t is known: 1/52
        parameter.requires_grad_(False)
    settings = plan(steps=400, validate_every=400)
    history = train(net, loss, images, labels, settings, sampler=Rounds())
    collapsed = [note for note in history.notes if "the generator has collapsed" in note]
    assert len(collapsed) == 1
    assert np.median(history.curves["segment"][-50:]) == pytest.approx(1 / 52, abs=0.01)


def test_a_run_says_that_its_adversarial_term_is_trivial() -> None:
    """A margin above all distances of unit embeddings leaves J_adv at 0 [DML-8.4]."""
    loss = Adversarial(Triplet(0.2), margin=5.0, pretraining=0.0)
    net = loss.network(network(), 3)
    history = train(net, loss, images, labels, plan(steps=60), sampler=Rounds())
    assert any("J_adv was 0 in every row" in note for note in history.notes)
