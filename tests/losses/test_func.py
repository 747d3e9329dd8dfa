"""Transforms of `torch.func` go through every loss: gradients, and gradients of many batches at once."""

from __future__ import annotations

import pytest
import torch

from losses.making import small_loss
from nearkin.losses import LOSSES

NAMES = [name for name in LOSSES if name != "memory-bank"]  # how many rows a memory holds is a value


@pytest.mark.parametrize("name", NAMES)
def test_gradients_by_torch_func_equal_those_of_autograd(name):
    generator = torch.Generator().manual_seed(4)
    batches = torch.randn(2, 8, 3, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 1, 0])
    loss = small_loss(name).double()
    wanted = []
    for batch in batches:
        leaf = batch.clone().requires_grad_()
        wanted += torch.autograd.grad(loss(leaf, labels), leaf)
    gradient = torch.func.grad(lambda rows: loss(rows, labels))
    torch.testing.assert_close(gradient(batches[0]), wanted[0], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(torch.func.vmap(gradient)(batches), torch.stack(wanted), rtol=1e-9, atol=1e-12)


def test_functional_calls_give_the_gradient_of_a_losses_own_parameters():
    loss, labels = small_loss("proxy-anchor").double(), torch.tensor([0, 0, 1, 1, 2, 2])
    rows = torch.randn(6, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    parameters = dict(loss.named_parameters())
    found = torch.func.grad(lambda given: torch.func.functional_call(loss, given, (rows, labels)))(parameters)
    wanted = torch.autograd.grad(loss(rows, labels), list(parameters.values()))
    for gradient, right in zip(found.values(), wanted, strict=True):
        torch.testing.assert_close(gradient, right, rtol=1e-9, atol=1e-12)
