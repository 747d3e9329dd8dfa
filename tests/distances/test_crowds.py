"""Crowds of near pairs: products of float64 rows are as exact as differences, whatever the parts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nearkin.distances import SquaredKernel, crowds
from nearkin.distances.crowds import Crowd, near_pairs
from nearkin.distances.groups import Group
from nearkin.losses import make_loss
from nearkin.losses.engine import RowLoss


def rows(count: int, seed: int, spread: float = 1e-3) -> Tensor:
    """Rows around 3 points, two of them the very same."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    x = centres[torch.arange(count) % 3] + spread * torch.randn(count, 16, generator=generator)
    x[4] = x[1]
    return x


@pytest.mark.parametrize("chunk", [1 << 18, 100])
@pytest.mark.parametrize("first", [None, 0, 5])
def test_squared_distances_and_their_gradients_are_those_of_differences(monkeypatch, chunk, first):
    monkeypatch.setattr(crowds, "CHUNK", chunk)
    z = rows(21, 1)
    x = rows(12, 2) if first is None else z[first : first + 12]
    x = x if first is not None else torch.cat([z[:2], x])
    crowd, found = Crowd(x, z, z.mean(0)), torch.empty(len(x), 21)
    crowd.fill(found, first, factor=0.5)
    apart = (x.double()[:, None] - z.double()).square().sum(2)
    own = torch.zeros_like(apart, dtype=torch.bool)
    if first is not None:
        own[:, first : first + 12] = torch.eye(12, dtype=torch.bool)
    torch.testing.assert_close(found[~own].double(), apart[~own] / 2, rtol=2e-7, atol=0)

    slopes, to_z = torch.randn(found.shape, generator=torch.Generator().manual_seed(3)), torch.ones_like(z)
    to_x = crowd.pull(slopes, to_z)
    moved = (x.double()[:, None] - z.double()) * slopes.double()[:, :, None]
    torch.testing.assert_close(to_x, moved.sum(1), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(to_z.double(), 1 - moved.sum(0), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(crowd.pull(slopes, None), to_x, rtol=0, atol=0)


@pytest.mark.parametrize("part", [1 << 21, 64])
def test_a_few_near_pairs_are_no_crowd_and_float64_never_is(monkeypatch, part):
    monkeypatch.setattr(crowds, "PART", part)
    distances, suspects = torch.ones(8, 64), torch.arange(8)
    distances[0, 3:11] = 0
    few = near_pairs(distances, suspects, lambda some: 0.5)
    assert few is not None
    assert [each.tolist() for each in few] == [[0] * 8, list(range(3, 11))]
    distances[5, 0] = 0
    assert near_pairs(distances, suspects, lambda some: 0.5) is None
    assert near_pairs(distances, suspects[1:], lambda some: torch.full((len(some), 64), 0.5)) is not None
    assert near_pairs(distances.double(), suspects, lambda some: 0.5) is not None


def test_a_batch_of_tight_classes_is_a_crowd_and_a_spread_one_is_not():
    spread = torch.randn(30, 16, generator=torch.Generator().manual_seed(0))
    assert SquaredKernel(rows(30, 1), torch.float32).fill(rows(30, 1), first=0)[1] is None
    assert SquaredKernel(spread, torch.float32).fill(spread, first=0)[1] is not None


DISTANCES = ["euclidean", "squared-euclidean", "cosine", "snr", "mahalanobis"]
LOSSES = [(name, distance) for name in ("contrastive", "triplet", "supcon", "nca", "lifted") for distance in DISTANCES]
LOSSES += [("multi-similarity", "cosine"), ("circle", "cosine")]


@pytest.mark.parametrize("way", ["crowd", "group"])
@pytest.mark.parametrize("form", ["dense", "blocks", "references"])
@pytest.mark.parametrize(("name", "distance"), LOSSES)
def test_losses_of_tight_classes_are_those_of_float64(monkeypatch, name, distance, form, way):
    pulls, pull = [], Group.pull
    monkeypatch.setattr(crowds, "SHARE", 0.0 if way == "crowd" else 1.0)
    monkeypatch.setattr(crowds, "FEW", 0)
    monkeypatch.setattr(RowLoss, "precise", 0)
    monkeypatch.setattr("nearkin.distances.groups.WORTH", 0)
    monkeypatch.setattr("nearkin.distances.groups.SMALLEST", 0)
    monkeypatch.setattr(Group, "pull", lambda *given: (pulls.append(given), pull(*given)))
    x, y = rows(24, 5, spread=0.02), torch.arange(24) % 3
    x[5] = x[2] + 1e-5  # of one class
    x[3] = x[1] + 1e-5  # of two
    wanted = answer(name, distance, form, x.double(), y)
    found = answer(name, distance, form, x, y)
    if name in ("contrastive", "triplet", "nca", "multi-similarity"):  # others have few distances in float64, or no tiles
        assert bool(pulls) == (way == "group")
    torch.testing.assert_close(found[0].double(), wanted[0], rtol=1e-6, atol=1e-7)
    for mine, exact in zip(found[1:], wanted[1:], strict=True):
        assert float((mine.double() - exact).abs().max()) <= 2e-6 * float(exact.abs().max())


def answer(name: str, distance: str, form: str, x: Tensor, y: Tensor) -> list[Tensor]:
    """The loss and its gradients; of float64 rows by autograd."""
    loss: RowLoss = make_loss(name, distance=distance, block_size=7 if form == "blocks" else None)
    if distance == "mahalanobis":
        loss.distance.load_state_dict({"weight": torch.eye(16)})
    if x.dtype == torch.float64:
        loss.closed = None
    x = x.clone().requires_grad_()
    if form != "references":
        value = loss(x, y)
        return [value.detach(), *torch.autograd.grad(value, x)]
    z = rows(15, 6, spread=0.02).to(x.dtype).requires_grad_()
    value = loss(x, y, z, torch.arange(15) % 3)
    return [value.detach(), *torch.autograd.grad(value, (x, z))]
