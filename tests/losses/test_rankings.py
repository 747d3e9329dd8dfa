"""Losses of ranked lists: what their values mean, every way through their code, and no cube in memory."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import Tensor

from nearkin.core import InputError, InputTypeError
from nearkin.losses import FastAP, RecallAtK, RowLoss, SmoothAP, fast_ap, recall_at_k, soft_ranks
from nearkin.pairs import Matrix

LOSSES = [FastAP(), FastAP(3), SmoothAP(0.1), SmoothAP(0.5, distance="euclidean"), RecallAtK(rank_temperature=0.1)]
LOSSES += [RecallAtK((1, 3), recall_temperature=0.5, rank_temperature=0.2, divisor="positives")]


def title(loss: RowLoss) -> str:
    return repr(loss).replace("\n", " ")[:60]


def drawn(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def value_and_slope(loss: RowLoss, x: Tensor, labels: Any) -> tuple[Tensor, Tensor]:
    leaf = x.clone().requires_grad_()
    value = loss(leaf, labels)
    return value.detach(), torch.autograd.grad(value, leaf)[0]


def without_closed(loss: RowLoss) -> RowLoss:
    plain = copy.deepcopy(loss)
    plain.closed = None
    return plain


@given(seed=some.integers(0, 1000), labels=some.lists(some.integers(0, 3), min_size=2, max_size=12))
def test_the_order_of_the_batch_and_the_sizes_of_classes_do_not_matter(seed, labels):
    """A batch sorted by class gives what a shuffled one gives; elsewhere Smooth-AP does not."""
    x, y = drawn(len(labels), seed), torch.tensor(labels)
    order = y.argsort(stable=True)
    for loss in LOSSES:
        loss._said_empty = True
        (value, slope), (sorted_value, sorted_slope) = (
            value_and_slope(loss, x, y),
            value_and_slope(loss, x[order], y[order]),
        )
        torch.testing.assert_close(sorted_value, value, rtol=1e-11, atol=1e-13)
        torch.testing.assert_close(sorted_slope, slope[order], rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("loss", LOSSES, ids=title)
@pytest.mark.parametrize("plain", [False, True], ids=["by hand", "by autograd"])
def test_one_at_a_time_and_all_at_once_are_the_same(loss, plain, monkeypatch):
    loss = without_closed(loss) if plain else loss
    x, y = drawn(30), torch.arange(30) % 4
    wanted = value_and_slope(loss, x, y)
    for size in (0, 30 * 30 * 3):
        for module in (fast_ap, recall_at_k, soft_ranks):
            monkeypatch.setattr(module, "CHUNK", size)
        for found, other in zip(value_and_slope(loss, x, y), wanted, strict=True):
            torch.testing.assert_close(found, other, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("loss", LOSSES, ids=title)
def test_the_dense_form_has_a_second_derivative(loss):
    dense = copy.deepcopy(loss)
    dense.block_size = None
    labels = torch.tensor([0, 0, 1, 1, 0, 2])
    for each in (dense, without_closed(dense)):
        leaf = drawn(6, 5).requires_grad_()
        assert torch.autograd.gradgradcheck(lambda x, each=each: each(x, labels), leaf)


def average_precision(x: Tensor, labels: Tensor) -> float:
    """Mean over queries of the mean over their positives of the precision at each, by sorting."""
    d = torch.cdist(*[torch.nn.functional.normalize(x)] * 2)
    found = []
    for i in range(len(x)):
        right = labels[d[i].argsort()][1:] == labels[i]
        if right.any():
            ranks = right.nonzero()[:, 0] + 1
            found.append(float((torch.arange(1, len(ranks) + 1) / ranks.double()).mean()))
    return sum(found) / len(found)


def test_a_small_temperature_or_fine_bins_give_average_precision():
    x, labels = drawn(40), torch.arange(40) % 5
    wanted = 1 - average_precision(x, labels)
    assert SmoothAP(1e-6)(x, labels).item() == pytest.approx(wanted, abs=1e-9)
    assert FastAP(20_000)(x, labels).item() == pytest.approx(wanted, abs=2e-2)


def test_a_perfect_list_and_the_worst_one():
    apart = torch.tensor([[1.0, 0], [1, 0.01], [0, 1], [0.01, 1]], dtype=torch.float64)
    for loss in (FastAP(), SmoothAP()):
        assert loss(apart, torch.tensor([0, 0, 1, 1])).item() == pytest.approx(0, abs=0.02)
        assert loss(apart, torch.tensor([0, 1, 0, 1])).item() > 0.4


def test_recall_counts_a_positive_by_how_far_it_is_before_k():
    """One positive behind two negatives: rank 2, so that k = 3 is its border and sigma(0) = 1/2."""
    angles = torch.tensor([0.0, 1.0, 0.2, 0.4, 2.0], dtype=torch.float64)
    x = torch.stack([angles.cos(), angles.sin()], 1)
    pairs = torch.zeros(5, 5, dtype=torch.bool)
    pairs[0, 1] = True
    for k, wanted in ((1, 1 / (1 + torch.tensor(2.0).exp())), (3, 0.5), (5, 1 / (1 + torch.tensor(-2.0).exp()))):
        found = RecallAtK((k,), rank_temperature=1e-4)(x, Matrix(pairs))
        assert found.item() == pytest.approx(1 - float(wanted))


def test_at_may_be_a_list_and_is_told_again():
    assert RecallAtK([1, 2]).at == RecallAtK(range(1, 3)).at == (1, 2)
    assert "at=(1, 2), recall_temperature=1, rank_temperature=0.01, divisor='min'" in repr(RecallAtK([1, 2]))


def test_wrong_settings_are_refused_in_words():
    for at, error, words in (
        ((), InputError, "at must name at least one k"),
        ("12", InputTypeError, "at must be a list of whole numbers"),
        (3, InputTypeError, "at must be a list of whole numbers"),
        ((1, 0), InputError, "every k of at must be a whole number of at least 1"),
    ):
        with pytest.raises(error, match=words):
            RecallAtK(at)
    with pytest.raises(InputError, match="divisor must be one of 'min', 'positives'"):
        RecallAtK(divisor="none")
    with pytest.raises(InputError, match="temperature must be a finite number above 0"):
        SmoothAP(0.0)
    with pytest.raises(InputError, match="bins must be a whole number of at least 1"):
        FastAP(0)
    with pytest.raises(InputError, match="works with distance 'cosine'"):
        FastAP(distance="euclidean")


@pytest.mark.parametrize("kin", [True, False])
@pytest.mark.parametrize("off", [-1e-9, 0.0, 1e-9])
def test_a_pair_beside_the_centre_of_a_bin_moves_by_the_slope_of_its_side(off, kin):
    """Two nearly orthogonal rows; the slope jumps at the centre, and float32 has 1 for the distance either way."""
    x, y, loss = drawn(40).float(), torch.arange(40) // 4, FastAP()
    x[0], x[1 if kin else 4] = torch.tensor([1.0, 0, 0, 0]), torch.tensor([off, 1, 0, 0])
    loss.precise = 0
    value, slope = value_and_slope(loss, x, y)
    exact, wanted = value_and_slope(without_closed(loss), x.double(), y)
    assert value.item() == pytest.approx(exact.item(), rel=1e-6)
    assert (slope - wanted).abs().max() <= 2e-6 * wanted.abs().max()


MEMORY = """
import resource, torch
from nearkin.losses import {loss}
torch.set_num_threads(1)
x, y = torch.randn(2048, 16), torch.arange(2048) // 64
def peak(loss, x, y):
    loss(x.clone().requires_grad_(), y).backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
loss = {loss}()
before = peak(loss, x[:256], y[:256])
after = peak(loss, x, y)
print(after - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["FastAP", "SmoothAP", "RecallAtK"])
def test_no_cube_stands_in_memory(loss):
    """2048 rows, 64 a class: a cube of positives would be 1 GB, a matrix is 16 MB."""
    done = subprocess.run([sys.executable, "-c", MEMORY.format(loss=loss)], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 160
