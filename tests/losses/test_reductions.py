"""Reductions over masks: empty rows, what stands outside the mask, ties, and sums that lose nothing."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from nearkin.core.tensors import (
    Block,
    Own,
    Terms,
    added,
    log1p_exp,
    masked_argmax,
    masked_argmin,
    masked_logsumexp,
    masked_mean,
    masked_sum,
)
from nearkin.losses import RowLoss

VALUES = torch.tensor([[3.0, 1.0, 3.0, 2.0], [0.0, -1.0, 5.0, -1.0], [1.0, 2.0, 3.0, 4.0]], dtype=torch.float64)
MASK = torch.tensor([[True, True, True, False], [False, True, False, True], [False] * 4])


def test_sums_means_and_logarithms_over_the_mask():
    assert masked_sum(VALUES, MASK).tolist() == [7.0, -2.0, 0.0]
    assert masked_mean(VALUES, MASK).tolist() == pytest.approx([7 / 3, -1.0, 0.0])
    found = masked_logsumexp(VALUES, MASK).tolist()
    assert found == pytest.approx([math.log(2 * math.exp(3) + math.exp(1)), math.log(2) - 1, -math.inf])


@pytest.mark.parametrize("reduce", [masked_sum, masked_mean, masked_logsumexp])
@pytest.mark.parametrize("outside", [math.inf, -math.inf, math.nan])
def test_nothing_outside_the_mask_is_seen_and_its_gradient_is_zero(reduce, outside):
    values = VALUES.masked_fill(~MASK, outside).requires_grad_()
    found = reduce(values, MASK)
    torch.testing.assert_close(found, reduce(VALUES, MASK))
    (slope,) = torch.autograd.grad(found[:2].sum(), values)
    assert slope.isfinite().all()
    assert not slope[~MASK].any()


def test_an_empty_row_has_no_slope():
    values = VALUES.clone().requires_grad_()
    finite = masked_logsumexp(values, MASK).clamp(min=-1e9)
    (slope,) = torch.autograd.grad(finite.sum(), values)
    assert slope.isfinite().all()
    assert not slope[2].any()


def test_among_equals_the_lowest_index_is_largest_and_smallest():
    largest, some = masked_argmax(VALUES, MASK)
    assert largest[:2].tolist() == [0, 1]
    assert some.tolist() == [True, True, False]
    smallest, _ = masked_argmin(VALUES, MASK)
    assert smallest[:2].tolist() == [1, 1]
    assert masked_argmin(VALUES, torch.ones_like(MASK))[0].tolist() == [1, 1, 0]
    index, some = masked_argmax(VALUES[:, :0], MASK[:, :0])
    assert index.shape == some.shape == (3,)
    assert not some.any()


def test_an_index_is_always_a_column():
    index, _ = masked_argmax(VALUES, MASK)
    assert 0 <= int(index[2]) < 4


def test_log_one_plus_exponential_is_exact_at_both_ends():
    z = torch.tensor([-torch.inf, -50.0, 0.0, 20.5, 800.0], dtype=torch.float64)
    wanted = [0.0, math.exp(-50), math.log(2), 20.5 + math.log1p(math.exp(-20.5)), 800.0]
    assert log1p_exp(z).tolist() == pytest.approx(wanted, rel=1e-15)


def test_sums_are_made_in_float64():
    assert added(torch.tensor([1e8, 1.0, -1e8])).item() == 1.0
    assert added(torch.tensor([True, True, False])).item() == 2.0
    assert added(torch.tensor([True])).dtype == torch.float64


def test_own_columns_of_ready_triplets_are_a_positive_and_a_negative():
    own = Own.triplets(torch.zeros(3, 2), torch.ones(3, 2))
    assert own.vectors.shape == (3, 2, 2)
    assert own.vectors[:, 0].eq(0).all()
    assert own.positives.tolist() == [[True, False]] * 3
    assert own.negatives.tolist() == [[False, True]] * 3


class Nothing(RowLoss):
    """A loss that has nothing to say about any row."""

    def rows(self, block: Block) -> Terms:
        return Terms(torch.zeros(()), torch.zeros(()))


@pytest.mark.parametrize("size", [None, 2])
@pytest.mark.parametrize("outside", [1.0, 1e30])
def test_a_loss_of_nothing_is_zero_and_still_in_the_graph(size, outside):
    x: Tensor = (outside * torch.ones(5, 3)).requires_grad_()
    with pytest.warns(UserWarning, match="no valid term"):
        value = Nothing(block_size=size)(x, torch.arange(5))
    assert value.item() == 0
    assert value.requires_grad
    assert not torch.autograd.grad(value, x)[0].any()
