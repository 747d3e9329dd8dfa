"""A run says where its steps' time went."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nearkin.generation import Adversarial
from nearkin.losses import Triplet
from nearkin.training import train
from nearkin.training.stopwatch import Stopwatch, shares
from training import setting

NAP = 0.03


class _Sleeps(torch.autograd.Function):
    """Nothing, slowly: forward and backward each take a nap."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        time.sleep(NAP)
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        time.sleep(NAP)
        return gradient


class SlowNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.plain = setting.network()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.plain(_Sleeps.apply(images.requires_grad_()))


class SlowLoss(Triplet):
    def measure(self, embeddings: torch.Tensor, *arguments: Any, **keywords: Any) -> Any:
        return super().measure(_Sleeps.apply(embeddings), *arguments, **keywords)


def slow_images(positions: np.ndarray) -> np.ndarray:
    time.sleep(2 * NAP)
    return setting.images[positions]


def plain_images(positions: np.ndarray) -> np.ndarray:
    return setting.images[positions]


@pytest.mark.parametrize("slow", ["input", "network", "loss"])
def test_time_is_charged_to_the_part_that_takes_it_forward_and_backward(slow: str) -> None:
    network = SlowNetwork() if slow == "network" else setting.network()
    loss = SlowLoss() if slow == "loss" else Triplet()
    images = slow_images if slow == "input" else plain_images
    history = train(network, loss, images, setting.labels, setting.plan(steps=4, validate_every=4))
    assert set(history.shares) == {"input", "network", "loss", "other"}
    assert sum(history.shares.values()) == pytest.approx(1, abs=1e-3)
    assert history.shares[slow] > 0.6


def test_validation_and_the_first_step_are_left_out(tmp_path) -> None:
    def validate(network: nn.Module) -> float:
        time.sleep(NAP)
        return 0.0

    plan = setting.plan(steps=1, validate_every=1)
    assert train(setting.network(), Triplet(), plain_images, setting.labels, plan).shares == {}
    plan = setting.plan(steps=6, validate_every=1)
    options = {"validate": validate, "folder": tmp_path}
    history = train(setting.network(), Triplet(), slow_images, setting.labels, plan, **options)
    assert history.shares["input"] > 0.6
    assert history.shares["other"] < 0.1
    again = train(setting.network(), Triplet(), slow_images, setting.labels, plan, **options)
    assert again.shares == history.shares


def test_what_was_measured_before_an_interruption_counts(tmp_path) -> None:
    def stop(report: Any) -> None:
        if report.step == 4:
            raise RuntimeError("power cut")

    plan = setting.plan(steps=5)
    options = {"folder": tmp_path, "checkpoint_seconds": 0}
    with pytest.raises(RuntimeError):
        train(SlowNetwork(), Triplet(), plain_images, setting.labels, plan, on_step=stop, **options)
    history = train(SlowNetwork(), Triplet(), plain_images, setting.labels, plan, **options)
    assert history.shares["network"] > 0.6


def test_generated_steps_are_timed_as_one() -> None:
    loss = Adversarial(Triplet())
    network = loss.network(setting.network(), 3)
    history = train(network, loss, plain_images, setting.labels, setting.plan(steps=3))
    assert set(history.shares) == {"input", "network and loss", "other"}


def test_on_cuda_one_step_in_ten_is_timed_after_the_device_is_done(monkeypatch) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    watch = Stopwatch(torch.device("cuda", 0), {})
    for step in range(1, 31):
        watch.begin(step)
        watch.ends("network")
    assert len(waited) == 2 * 3  # steps 2, 12 and 22, at both ends
    assert set(watch.spent) == {"network"}


def test_shares_of_nothing_are_nothing() -> None:
    assert shares({}) == {}
    assert shares({"input": 0.0}) == {}
