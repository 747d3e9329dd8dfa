"""A training step of document 001's network at B=128: what its input costs, and what every loss costs, against the network."""

from __future__ import annotations

import inspect
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from contenders import our_loss
from harness import OURS, Answer, Case, Contender, Setup, Target

from nearkin.data import ImageSet
from nearkin.losses import LOSSES, NPair, Triplet, ZeroMean
from nearkin.networks import Network
from nearkin.training import Augmentation, TrainingPlan
from nearkin.training.batches import Batches
from nearkin.training.step import make_optimizer, optimizer_groups

CLASSES, MEMBERS, DIMENSIONS = 8, 16, 2
BATCH = CLASSES * MEMBERS
IMAGES = 60_000

LOSS_SHARE, INPUT_SHARE = 0.04, 0.02
"""Largest shares of a step; ours / the network's part is share / (1 - share)."""

NEEDED: dict[str, dict[str, Any]] = {
    "joint": {"metric": Triplet()},
    "memory-bank": {"loss": Triplet(), "size": BATCH},
    "proxies": {"loss": NPair(pairs="all")},
    "sum": {"losses": [Triplet(), (NPair(), 0.5), (ZeroMean(), 0.1)]},
}

PLAN = TrainingPlan(steps=1, classes_per_batch=CLASSES, images_per_class=MEMBERS)


def stream(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@lru_cache(maxsize=2)
def network_step(small: bool) -> Contender:
    """The network's part of a step: forward, backward from a given gradient, optimiser."""
    network = Network(28, 28, 1, DIMENSIONS, seed=0)
    if not small:
        network.add_conv(5, 5, 2, 2, 32).add_conv(5, 5, 2, 2, 64).add_fc(1024).add_fc(256)
    optimizer = make_optimizer(optimizer_groups(network, torch.nn.Identity(), PLAN), PLAN)
    images, slope = (
        torch.rand(BATCH, 1, 28, 28, generator=stream(0)),
        torch.rand(BATCH, DIMENSIONS, generator=stream(1)),
    )

    def run() -> Answer:
        optimizer.zero_grad(set_to_none=True)
        network(images).backward(slope)
        optimizer.step()
        return {}

    return Contender("training step's network part", run, "floor")


def _loss(small: bool, *, name: str) -> Setup:
    known = inspect.signature(LOSSES[name].make).parameters
    sizes = {key: size for key, size in (("classes", CLASSES), ("dimensions", DIMENSIONS)) if key in known}
    loss = our_loss(name, **{**sizes, **NEEDED.get(name, {})})
    rows = torch.randn(BATCH, DIMENSIONS, generator=stream(2)).requires_grad_()
    labels = torch.arange(CLASSES).repeat_interleave(MEMBERS)

    def run() -> Answer:
        rows.grad = None
        loss.measure(rows, labels, generator=stream(3)).value.backward()
        return {}

    return Setup([Contender(OURS, run, "ours"), network_step(small)])


def _input(small: bool, *, augmentation: Augmentation) -> Setup:
    rng, count = np.random.default_rng(0), IMAGES // 100 if small else IMAGES
    labels = rng.integers(0, 10, count)
    images = ImageSet(
        name="digits like MNIST's",
        pixels=rng.integers(0, 256, (count, 1, 28, 28), dtype=np.uint8),
        value_range=(0, 255),
        labels=labels,
        classes=tuple("0123456789"),
        image_ids=("",) * count,
        hashes=("",) * count,
    )
    batches = Batches(images.scaled, labels, None, PLAN)
    upcoming = batches.after(0, 0)

    def run() -> Answer:
        loaded, _ = batches.load(next(upcoming)[2])
        augmentation(loaded, stream(4))
        return {}

    return Setup([Contender(OURS, run, "ours"), network_step(small)])


def _case(name: str, make: Any, share: float) -> Case:
    return Case(
        f"step/{name} B={BATCH}",
        make,
        [Target("cost", share / (1 - share), "training step's network part")],
        weighed=False,
    )


CASES = [
    _case("input", partial(_input, augmentation=Augmentation()), INPUT_SHARE),
    _case(
        "input, augmented", partial(_input, augmentation=Augmentation(flip=True, crop=4, brightness=0.1)), INPUT_SHARE
    ),
    *(_case(name, partial(_loss, name=name), LOSS_SHARE) for name in LOSSES),
]
