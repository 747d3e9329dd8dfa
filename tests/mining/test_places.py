"""A number's place among the thresholds of its row is what comparing it with each of them says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import Tensor

from nearkin.mining import places
from nearkin.mining.places import Places, tally
from nearkin.mining.workspace import Workspace


def found(numbers: Tensor, thresholds: Tensor, start: int = 0) -> Tensor:
    space = Workspace(numbers.numel(), numbers)
    return (
        Places(thresholds, numbers.shape[1])
        .among(numbers, start, space, torch.empty_like(numbers))
        .long()
        .view(numbers.shape)
    )


def compared(numbers: Tensor, thresholds: Tensor) -> Tensor:
    row = torch.arange(len(numbers))[:, None] * (thresholds.shape[1] + 1)
    return (thresholds[:, None, :] <= numbers[:, :, None]).sum(2) + row


def values(rng: np.random.Generator, kind: str, shape: tuple[int, int]) -> np.ndarray:
    drawn = rng.normal(size=shape)
    if kind == "grid":
        return np.round(drawn * 2)
    if kind == "tight":
        return 1 + np.round(drawn * 3) * 2.0**-23
    if kind == "outlier":
        return np.where(rng.random(shape) < 0.1, 1e6, 1 + np.round(drawn * 20) * 2.0**-23)
    if kind == "huge":
        return drawn * 10.0 ** rng.integers(-30, 30, shape)
    return drawn


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(
    seed=some.integers(0, 10_000), kind=some.sampled_from(["plain", "grid", "tight", "outlier", "huge"]),
    rows=some.integers(1, 5), width=some.integers(1, 40), columns=some.integers(1, 60),
)  # fmt: skip
def test_places_are_those_of_comparing(dtype, seed, kind, rows, width, columns):
    rng = np.random.default_rng(seed)
    thresholds = torch.tensor(values(rng, kind, (rows, width)), dtype=dtype)
    thresholds[torch.tensor(rng.random((rows, width)) < 0.2)] = -torch.inf
    thresholds = thresholds.sort(dim=1).values
    numbers = torch.tensor(values(rng, kind, (rows, columns)), dtype=dtype)
    copied = torch.tensor(rng.random((rows, columns)) < 0.3)  # equal to a threshold
    numbers = torch.where(copied, thresholds[:, [int(rng.integers(width))]].clamp(min=-1e30), numbers)
    numbers[torch.tensor(rng.random((rows, columns)) < 0.1)] = torch.inf
    assert torch.equal(found(numbers, thresholds), compared(numbers, thresholds))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "on_cpu", lambda values: False)
        assert torch.equal(found(numbers, thresholds), compared(numbers, thresholds))


def test_later_rows_have_their_own_thresholds():
    thresholds = torch.rand(6, 9).sort(dim=1).values
    numbers = torch.rand(2, 30)
    assert torch.equal(found(numbers, thresholds, start=3), compared(numbers, thresholds[3:5]))


def test_what_stands_at_a_place_is_added_up():
    where = torch.tensor([0, 2, 2, 1], dtype=torch.int32)
    assert tally(where, 4).tolist() == [1, 1, 2, 0]
    assert tally(where, 4, torch.tensor([[1.0, 2.0], [3.0, 4.0]])).tolist() == [1, 4, 5, 0]
