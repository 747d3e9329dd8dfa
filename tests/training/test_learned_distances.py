"""A learned distance by name alone in a run: it has its shape before the optimiser, learns, resumes and comes back."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nearkin.distances import DISTANCES, LearnedDistance
from nearkin.evaluation import evaluate
from nearkin.losses import Contrastive, Triplet
from nearkin.networks import embed
from nearkin.training import Interrupted, StepReport, train
from nearkin.training.shapes import give_shapes
from training.setting import Rounds, bits, images, labels, network, plan, separation

LEARNED = sorted(name for name, kind in DISTANCES.items() if issubclass(kind, LearnedDistance))


@pytest.fixture(autouse=True)
def _ctrl_c_as_in_a_terminal():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def call(name: str, folder: Path | None = None, **options):
    net, loss = network(dropout=0.2), Triplet(0.5, distance=name, mining="random")
    settings = {"sampler": Rounds(), "validate": separation, "checkpoint_seconds": 0, **options}
    history = train(net, loss, images, labels, settings.pop("plan", plan()), folder=folder, **settings)
    return history, net, loss


@pytest.mark.parametrize("name", LEARNED)
def test_it_learns_and_evaluates(name):
    history, net, loss = call(name)
    factor = loss.distance.weight
    assert factor.shape == (3, 3)
    assert not torch.equal(factor, torch.eye(3))
    assert history.curves["loss"][-5:].mean() < history.curves["loss"][:5].mean()
    scores = evaluate(embed(net, images), labels, distance=loss.distance).scores
    assert scores != evaluate(embed(net, images), labels, distance=name).scores  # the learned L, not the first one


@pytest.mark.parametrize("name", LEARNED)
def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path, name):
    _, net, loss = call(name)

    def stop(report: StepReport) -> None:
        if report.step == 9:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        call(name, tmp_path / "run", on_step=stop)
    _, again, own = call(name, tmp_path / "run")
    assert bits(again, own) == bits(net, loss)
    _, read, back = call(name, tmp_path / "run", on_step=lambda report: pytest.fail("a finished run trained again"))
    assert bits(read, back) == bits(net, loss)
    fresh = Triplet(distance=name)
    fresh.load_state_dict(load_file(tmp_path / "run" / "loss.safetensors"))
    assert torch.equal(fresh.distance.weight, loss.distance.weight)


def test_giving_a_shape_changes_nothing_else(tmp_path):
    """The same run as one whose distance had its shape from the start, batch norm and dropout and random miner included."""
    _, net, loss = call("mahalanobis")
    shaped = Triplet(0.5, distance=DISTANCES["mahalanobis"](dimensions=3), mining="random")
    other = network(dropout=0.2)
    before = torch.random.get_rng_state()
    train(other, shaped, images, labels, plan(), sampler=Rounds(), validate=separation)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert bits(other, shaped) == bits(net, loss)


class Noisy(torch.nn.Module):
    """Draws from torch's global stream in evaluation mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) + torch.rand(3)


@pytest.mark.parametrize("training", [True, False])
def test_the_look_at_one_image_leaves_mode_and_random_stream_as_they_were(training):
    net, loss = Noisy().train(training), Triplet(distance="mahalanobis")
    before = torch.random.get_rng_state()
    give_shapes(net, loss, torch.from_numpy(images[:4]))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert net.training == net.inner.training == training
    assert loss.distance.dimensions == 3


def test_weight_decay_leaves_the_scale_of_l_alone():
    """The scale of L is free under the relative distance: decay, if it reached L, would shrink it against nothing."""
    lengths = []
    for decay in (0.0, 0.5):
        net, loss = network(), Contrastive(1.0, distance="relative-mahalanobis")
        settings = plan(steps=40, weight_decay=decay, optimizer="sgd", learning_rate=0.01, validate_every=40)
        train(net, loss, images, labels, settings, sampler=Rounds())
        lengths.append(float(loss.distance.weight.detach().norm()))
    assert min(lengths) >= 3**0.5
