"""`embed`: every image once, in order, in evaluation mode, and the network left as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nearkin.core import InputError
from nearkin.networks import Network, embed


def network() -> Network:
    return Network(4, 4, 1, 3, seed=2).add_conv(3, 3, 2, 2, 4)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).random((count, 1, 4, 4), dtype=np.float32)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 8, 100])
def test_every_image_is_embedded_once_and_in_order(batch_size: int) -> None:
    net = network()
    expected = net.connect(torch.from_numpy(images(8))).detach().numpy()
    found = embed(net, images(8), batch_size=batch_size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_arrays_tensors_and_batches_give_the_same() -> None:
    net, whole = network(), images(9)
    expected = embed(net, whole, batch_size=4)
    assert np.array_equal(embed(net, torch.from_numpy(whole), batch_size=4), expected)
    assert np.array_equal(embed(net, (whole[i : i + 4] for i in range(0, 9, 4))), expected)


def test_a_read_only_memory_map_is_accepted(tmp_path) -> None:
    np.save(tmp_path / "images.npy", images(6))
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert np.array_equal(embed(network(), mapped), embed(network(), images(6)))


def test_each_module_keeps_its_own_mode() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.BatchNorm1d(16), nn.Linear(16, 2))
    net[2].eval()
    first, second = embed(net, images(5)), embed(net, images(5))
    assert np.array_equal(first, second)
    assert [m.training for m in net] == [True, True, False, True]
    with pytest.raises(RuntimeError):
        embed(net, np.zeros((2, 3), np.float32))
    assert [m.training for m in net] == [True, True, False, True]


def test_no_gradient_is_kept() -> None:
    net = network()
    embed(net, images(3))
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize("nothing", [np.zeros((0, 1, 4, 4), np.float32), []])
def test_no_images_is_an_error(nothing) -> None:
    with pytest.raises(InputError, match="no images"):
        embed(network(), nothing)


def test_unscaled_pixels_are_refused() -> None:
    with pytest.raises(InputError, match="floating point"):
        embed(network(), np.zeros((2, 1, 4, 4), np.uint8))
