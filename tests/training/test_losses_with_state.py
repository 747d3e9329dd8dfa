"""Training with losses that have a state of their own: stopped and taken up again, they end with the same bits."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from nearkin.losses import (
    ArcFace,
    Center,
    Contrastive,
    Foreign,
    Joint,
    MemoryBank,
    NPair,
    Proxies,
    Sum,
    Triplet,
    ZeroMean,
)
from nearkin.training import Interrupted, train
from training.setting import Remembering, Rounds, bits, images, labels, network, plan, separation
from training.test_resume import stop_at

LOSSES: dict[str, Callable[[], nn.Module]] = {
    "memory bank": lambda: MemoryBank(Triplet(1.0, mining="random"), size=30),
    "centres by the rule": lambda: Joint(Center(6, 3, update="rule"), 6, 3, weight=0.1, normalize=False, dropout=0.3),
    "centres by gradient": lambda: Sum([Center(6, 3), (NPair(), 0.5), (ZeroMean(True), 0.1)]),
    "a sum of memories": lambda: Sum([MemoryBank(Contrastive(), size=20), (Remembering(mining="random"), 0.5)]),
    "proxies": lambda: Sum([ArcFace(6, 3, scale=16.0), (Proxies(Triplet(mining="random"), 6, 3), 0.5)]),
    "another library's": lambda: Foreign(_pull),
}


def _pull(embeddings: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    same = own[:, None] == own[None]
    return torch.where(same, 1, -0.1).mul(torch.cdist(embeddings, embeddings)).mean()


@pytest.fixture(autouse=True)
def _ctrl_c_as_in_a_terminal() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run(name: str, folder: Path | None, stop: int | None = None) -> tuple[nn.Module, nn.Module]:
    net, loss = network(dropout=0.2), LOSSES[name]()
    on_step = None if stop is None else stop_at(stop)
    settings = {"sampler": Rounds(), "validate": separation, "checkpoint_seconds": 0, "on_step": on_step}
    train(net, loss, images, labels, plan(), folder=folder, **settings)
    return net, loss


@pytest.mark.parametrize(
    "loss", [MemoryBank(Contrastive(), size=30), Sum([MemoryBank(Contrastive(), size=30)]), Joint(MemoryBank(Contrastive(), size=30), 6, 3)]
)
def test_a_memory_in_training_knows_which_sample_is_which(loss: nn.Module) -> None:
    """An image that comes again is no pair with its older copy: all it remembers are places in the training set."""
    train(network(), loss, images, labels, plan(), sampler=Rounds())
    (bank,) = [part for part in loss.modules() if isinstance(part, MemoryBank)]
    assert len(bank) == 30
    assert bool((bank.ids >= 0).all()) and int(bank.ids.max()) < len(labels)
    assert torch.equal(bank.labels, torch.as_tensor(labels)[bank.ids])


@pytest.mark.parametrize("name", LOSSES)
def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path: Path, name: str) -> None:
    whole = run(name, None)
    for step in (1, 8, 19):
        with pytest.raises(Interrupted):
            run(name, tmp_path / "run", step)
    again = run(name, tmp_path / "run")
    assert bits(*again) == bits(*whole)
    assert bits(*run(name, tmp_path / "run")) == bits(*whole)  # a finished run is read back
    assert bits(whole[1]) != bits(LOSSES[name]()) or name == "another library's"


def test_a_memory_and_centres_move_once_a_step() -> None:
    _, bank = run("memory bank", None)
    steps = int(bank.written) // 12
    assert 0 < steps <= 20
    assert int(bank.written) == 12 * steps
