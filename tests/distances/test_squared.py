"""The one kernel: values, its pullback, the second derivative, near pairs in chunks, buffers used again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import Tensor

from nearkin.distances import SquaredKernel, rows, squared, squared_distances


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


def loops(x: Tensor, z: Tensor) -> Tensor:
    return torch.tensor(
        [[sum((a - b) ** 2 for a, b in zip(row, other)) for other in z.tolist()] for row in x.tolist()],
        dtype=torch.float64,
    )


@given(rows=some.integers(1, 6), others=some.integers(1, 6), width=some.integers(1, 4), seed=some.integers(0, 999))
def test_squared_distances_equal_the_sum_of_squared_differences(rows, others, width, seed):
    x, z = normal(rows, width, seed=seed), normal(others, width, seed=seed + 1)
    z[0] = x[0]
    wanted = loops(x, z).to(torch.float64)
    torch.testing.assert_close(squared_distances(x, z), wanted, rtol=1e-9, atol=1e-12)
    assert squared_distances(x, z)[0, 0] == 0
    torch.testing.assert_close(squared_distances(x, z, torch.float32), wanted.float(), rtol=3e-6, atol=1e-7)


def test_a_mirrored_half_is_the_whole():
    x = normal(300, 5)
    found = squared.mirrored(x, x.square().sum(1))
    torch.testing.assert_close(found, torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").square())


def test_many_rows_of_their_own_set_are_made_by_halves_as_exactly(monkeypatch):
    x = normal(520, 256)
    x[3:9] = x[2] + 1e-6 * normal(6, 256, seed=1)
    kernel = SquaredKernel(x, torch.float32)
    halves, near, _ = kernel.fill(x, first=0)
    monkeypatch.setattr(squared, "MIRRORED", (1000, 0))
    whole, other, _ = kernel.fill(x, first=0)
    assert torch.equal(torch.stack(near), torch.stack(other))
    torch.testing.assert_close(halves, whole, rtol=1e-6, atol=0)
    assert bool((halves.diagonal() == 0).all())


def test_never_negative_whatever_the_cancellation():
    x = 1e8 + normal(30, 3)
    for dtype in (torch.float32, torch.float64):
        assert bool((squared_distances(x, x, dtype) >= 0).all())


@pytest.mark.usefixtures("near_pairs")
@pytest.mark.parametrize("chunk", [1 << 22, 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_pullback_is_twice_the_difference_also_in_chunks_of_near_pairs(monkeypatch, chunk, dtype):
    monkeypatch.setattr(rows, "CHUNK", chunk)
    x, z = normal(9, 3), normal(8, 3, seed=1)
    z[:4] = x[:4] + 1e-7 * normal(4, 3, seed=2)
    upstream = normal(9, 8, seed=3).to(dtype)
    kernel = SquaredKernel(z, dtype)
    value, near = kernel.forward(x)
    assert near is None or len(near[0]) >= 4
    to_x, to_z = kernel.backward(x, near, upstream)
    difference = 2 * (x[:, None] - z[None]) * upstream[:, :, None]
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-12, "atol": 1e-12}
    torch.testing.assert_close(to_x.double(), difference.sum(1).double(), **tolerance)
    torch.testing.assert_close(to_z.double(), -difference.sum(0).double(), **tolerance)
    torch.testing.assert_close(value.double(), loops(x, z).double(), rtol=1e-6, atol=0)


def test_second_derivatives_are_right():
    x, z = normal(4, 3).requires_grad_(), normal(3, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(squared_distances, (x, z))
    assert torch.autograd.gradgradcheck(squared_distances, (x, z))
    own = normal(4, 2, 3, seed=2).requires_grad_()
    assert torch.autograd.gradgradcheck(squared_distances, (x, own))


@pytest.mark.usefixtures("near_pairs")
def test_second_derivatives_are_right_at_near_pairs():
    x = normal(3, 2)
    z = (x[:2] + 1e-6).requires_grad_()
    x.requires_grad_()
    (slope,) = torch.autograd.grad(squared_distances(x, z).square().sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(slope.sum(), z)
    direct = (x[:, None] - z[None]).square().sum(2).square().sum()
    (wanted_slope,) = torch.autograd.grad(direct, x, create_graph=True)
    (wanted,) = torch.autograd.grad(wanted_slope.sum(), z)
    torch.testing.assert_close(second, wanted, rtol=1e-9, atol=1e-12)


def test_a_buffer_used_again_is_written_whole():
    z = normal(6, 3)
    kernel = SquaredKernel(z, torch.float64)
    buffer = torch.full((4, 6), torch.nan, dtype=torch.float64)
    first, _ = kernel.forward(normal(4, 3, seed=1), buffer)
    assert first.data_ptr() == buffer.data_ptr()
    second, _ = kernel.forward(normal(2, 3, seed=2), buffer[:2])
    torch.testing.assert_close(second, loops(normal(2, 3, seed=2), z).double(), rtol=1e-12, atol=1e-12)


def test_what_the_compiler_traces_is_the_same_in_float64():
    x, z = normal(5, 3), normal(4, 3, seed=1)
    torch.testing.assert_close(squared._traceable(x, z), squared_distances(x, z), rtol=1e-10, atol=1e-12)
    assert bool((squared._traceable(1e8 + x, 1e8 + x) >= 0).all())


def test_a_common_offset_does_not_make_every_pair_a_near_one():
    """Rows are centred first; otherwise each of these pairs would be computed again, ten times the work."""
    kernel = SquaredKernel(100 + normal(50, 8, seed=1), torch.float32)
    _, near = kernel.forward(100 + normal(40, 8))
    assert len(near[0]) < 0.02 * 40 * 50


@pytest.mark.parametrize("count", [squared.PLAIN, squared.PLAIN + 1], ids=["plain", "centred"])
def test_distances_in_float64_of_float32_rows_are_those_of_their_very_numbers(count):
    """Nothing is rounded to float32 on the way, and few rows are not centred."""
    x, z = (0.3 + normal(count, 8, seed=seed) for seed in (0, 1))
    kernel = SquaredKernel(z.float(), torch.float64)
    assert (kernel.shift is None) == (count == squared.PLAIN)
    found, _ = kernel.forward(x.float())
    torch.testing.assert_close(found, loops(x.float().double(), z.float().double()), rtol=1e-9, atol=0)
