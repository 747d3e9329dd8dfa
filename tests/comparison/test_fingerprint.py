"""A fingerprint changes with what a loss does, and with nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from nearkin.comparison.fingerprint import distance_fingerprint, loss_fingerprint
from nearkin.comparison.objects import build_loss, check_loss_section
from nearkin.comparison.problems import Problems
from nearkin.distances import Euclidean
from nearkin.losses import LOSSES, Triplet

NEEDED = {"sum": {"losses": ["triplet", "n-pair"]}, "memory-bank": {"loss": "contrastive"}, "proxies": {"loss": "triplet"}}


def made(name: str) -> Any:
    return build_loss(check_loss_section({"name": name, **NEEDED.get(name, {})}, "loss", Problems()), dimensions=5, classes=4)


@pytest.mark.parametrize("name", LOSSES)
def test_the_same_loss_has_the_same_fingerprint(name: str) -> None:
    assert loss_fingerprint(made(name), 5) == loss_fingerprint(made(name), 5)


def test_different_losses_have_different_fingerprints() -> None:
    found = {loss_fingerprint(made(name), 5) for name in LOSSES}
    assert len(found) >= len(LOSSES) - 1  # triplet-network and tuple-triplet may agree on a probe of pairs


@pytest.mark.parametrize("options", [{"margin": 0.2000001}, {"mining": "semi-hard"}, {"mining": "random"}, {"distance": "snr"}, {"reduction": "sum"}])
def test_every_setting_that_matters_is_seen(options: dict) -> None:
    assert loss_fingerprint(Triplet(**options), 5) != loss_fingerprint(Triplet(), 5)


def test_the_way_of_computing_is_not_seen() -> None:
    assert loss_fingerprint(Triplet(block_size=2), 5) == loss_fingerprint(Triplet(), 5)


def test_a_gradient_alone_is_seen() -> None:
    class Same(Triplet):
        def rows(self, block):
            terms = super().rows(block)
            return terms._replace(total=terms.total + (block.distances.sum() - block.distances.sum().detach()))

    assert loss_fingerprint(Same(), 5) != loss_fingerprint(Triplet(), 5)


def test_a_changed_distance_is_seen() -> None:
    class Slightly(Euclidean):
        def link(self, squared: Tensor, anchor_norm: Tensor, reference_norm: Tensor) -> Tensor:
            return super().link(squared, anchor_norm, reference_norm) * (1 + 1e-7)

    assert loss_fingerprint(Triplet(distance=Slightly()), 5) != loss_fingerprint(Triplet(), 5)


def test_noise_of_the_last_bits_is_not_seen() -> None:
    class Noisy(Euclidean):
        def link(self, squared: Tensor, anchor_norm: Tensor, reference_norm: Tensor) -> Tensor:
            return super().link(squared, anchor_norm, reference_norm) * (1 + 4 * torch.finfo(torch.float64).eps)

    assert loss_fingerprint(Triplet(distance=Noisy()), 5) == loss_fingerprint(Triplet(), 5)


def test_a_loss_of_ones_own_has_one_too() -> None:
    one, two = (build_loss({"name": "comparison.wild_loss:Pull", "weight": weight}) for weight in (1.0, 2.0))
    assert loss_fingerprint(one, 5) != loss_fingerprint(two, 5)


def test_distances_have_their_own() -> None:
    assert distance_fingerprint("snr", 5) != distance_fingerprint("cosine", 5)
