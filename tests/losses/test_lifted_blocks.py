"""The lifted loss in blocks makes its slopes by hand as well: a first sweep says of every row how large its crowd is."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from nearkin import Lifted

LABELS = {
    "equal classes": torch.arange(48) % 12,
    "unequal classes": torch.tensor([0] * 20 + [1] * 9 + [2] * 2 + [3, 4] + [5] * 15),
    "one class": torch.zeros(48, dtype=torch.int64),
}


def rows(copies: int = 0) -> Tensor:
    x = torch.randn(48, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    x[:copies] = x[copies : 2 * copies]
    return x.float().double()


def found(loss: Lifted, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    value = loss(x, labels)
    return value.detach().double(), torch.autograd.grad(value, x)[0].double()


def exact(loss: Lifted, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    plain = copy.deepcopy(loss)
    plain.closed, plain.block_size = None, None
    return found(plain, x.double(), labels)


@pytest.mark.filterwarnings("ignore:.*no valid term")
@pytest.mark.parametrize("copies", [0, 6], ids=["apart", "duplicates"])
@pytest.mark.parametrize("distance", ["euclidean", "squared-euclidean", "cosine", "inner-product", "snr"])
@pytest.mark.parametrize("labels", LABELS)
def test_blocks_equal_the_equation(labels, distance, copies):
    loss, x = Lifted(distance=distance, block_size=7), rows(copies)
    for one, other in zip(found(loss, x, LABELS[labels]), exact(loss, x, LABELS[labels])):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("spread", [1.0, 1e-3])
def test_blocks_in_single_precision_are_within_a_millionth(spread):
    x = rows()
    x = (x[:1] + spread * x).float()
    loss, labels = Lifted(block_size=7), LABELS["equal classes"]
    loss.precise = 0
    for one, other in zip(found(loss, x, labels), exact(loss, x, labels)):
        assert (one - other).abs().max() <= 1e-6 * other.abs().max()


def test_blocks_do_not_ask_autograd(monkeypatch):
    monkeypatch.setattr(Lifted, "rows", None)
    Lifted(block_size=7)(rows(), LABELS["equal classes"])
    with pytest.raises(TypeError, match="not callable"):  # a pair and its reverse are not alike: the general way
        Lifted(distance="snr", block_size=7)(rows(), LABELS["equal classes"])
