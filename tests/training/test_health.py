"""What goes wrong is said once, in plain words; what does not is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nearkin.losses import Contrastive, Triplet
from nearkin.training import train
from nearkin.training.health import Health
from nearkin.training.step import Stepped
from training.setting import Rounds, images, labels, network, plan

SIX = np.array([0, 0, 1, 1, 2, 2])


def found(embeddings: Tensor, active: float | None = 1.0) -> Stepped:
    return Stepped(loss=1.0, active=active, positive=1.0, negative=1.0, embeddings=embeddings)


def cloud(scale: float, centre: float = 0.0) -> Tensor:
    return centre + scale * torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


def spoken(clouds: list[Tensor], loss: Any = None, active: float | None = 1.0, steps: int = 1000) -> list[str]:
    health = Health(steps)
    return [note for step, x in enumerate(clouds, 1) for note in health.look(step, SIX, found(x, active), loss)]


@pytest.mark.parametrize("centre", [0.0, 5.0])
def test_embeddings_that_shrink_to_a_point_are_said_once(centre: float) -> None:
    notes = spoken([cloud(0.8**step, centre) for step in range(60)])
    assert len(notes) == 1
    assert notes[0].startswith("step 30: the embeddings have shrunk to a point: their spread is")


def test_a_moderate_shrinking_is_not_said() -> None:
    assert not spoken([cloud(max(0.9**step, 0.02)) for step in range(100)])


def test_a_network_that_starts_small_is_not_blamed_for_it() -> None:
    assert not spoken([cloud(0.001)] * 60)


def test_a_small_scale_that_satisfies_the_loss_is_not_said() -> None:
    clouds = [cloud(0.8**step) for step in range(60)]
    assert not spoken(clouds, active=0.1)
    assert spoken(clouds, active=None)


def test_a_loss_that_ignores_lengths_is_not_blamed_for_them() -> None:
    shorter = [cloud(0.8**step) for step in range(60)]
    assert not spoken(shorter, loss=Triplet(distance="cosine"))
    assert spoken(shorter, loss=Triplet())
    one_direction = [cloud(0.5**step, 1.0) for step in range(60)]
    assert spoken(one_direction, loss=Triplet(distance="cosine"))


def test_a_first_batch_that_is_one_point_is_said() -> None:
    assert spoken([cloud(0.0, 1.0)] * 20)[0].startswith("step 1: all embeddings of the first batch are one point")
    assert len(spoken([cloud(0.0, 1.0)] * 20)) == 1


def test_batches_without_pairs_are_said_once() -> None:
    health = Health(100)
    x = found(cloud(1.0))
    assert not health.look(1, SIX, x, None)
    assert "no image of the batch has another of its class" in health.look(2, np.arange(6), x, None)[0]
    assert not health.look(3, np.arange(6), x, None)
    assert "the batch has one class only" in health.look(4, np.zeros(6, int), x, None)[0]
    assert not health.look(5, np.zeros(6, int), x, None)


def test_a_long_time_without_active_terms_is_said_once() -> None:
    health = Health(1000)
    activity = [0.5] * 10 + [0.0] * 99 + [0.1] + [0.0] * 300
    notes = [n for step, a in enumerate(activity, 1) for n in health.look(step, SIX, found(cloud(1.0), a), None)]
    assert len(notes) == 1
    assert notes[0].startswith("step 210: for 100 steps no term of the loss was active")


def test_a_short_run_does_not_cry_at_its_end() -> None:
    assert not spoken([cloud(1.0)] * 40, active=0.0, steps=40)


def test_a_loss_without_the_notion_of_active_terms_is_never_idle() -> None:
    assert not spoken([cloud(1.0)] * 500, active=None)


def test_the_watch_goes_on_after_a_pause() -> None:
    clouds = [cloud(0.8**step) for step in range(60)]
    first, second = Health(1000), Health(1000)
    for step in range(1, 21):
        first.look(step, SIX, found(clouds[step - 1]), None)
    second.load(first.state())
    notes = [n for step in range(21, 61) for n in second.look(step, SIX, found(clouds[step - 1]), None)]
    assert [note.split(":")[0] for note in notes] == ["step 30"]
    third = Health(1000)
    third.load(second.state())
    assert not third.look(70, SIX, found(clouds[-1]), None)


def test_a_real_collapse_is_noticed_in_a_run_and_a_healthy_run_is_silent() -> None:
    pulled = train(network(), Contrastive(), images, labels, plan(steps=300), sampler=Rounds(classes=1))
    assert "one class only" in pulled.notes[0]
    assert "shrunk to a point" in pulled.notes[1]
    healthy = train(network(), Contrastive(), images, labels, plan(steps=150), sampler=Rounds())
    assert not healthy.notes


@pytest.mark.filterwarnings("ignore:Triplet")
def test_batches_without_positives_are_noticed_in_a_run() -> None:
    history = train(network(), Triplet(), images, labels, plan(steps=60), sampler=Rounds(images=1))
    assert "no image of the batch has another of its class" in history.notes[0]
    assert history.notes[0].startswith("step 1:")
    assert len(history.notes) <= 2
