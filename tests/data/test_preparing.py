"""Resizing and channels: full depth kept, nothing clipped, flat stays flat."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearkin.data.preparing import resized, with_channels


@given(st.integers(0, 65535), st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 2, 3, 5]))
def test_a_flat_image_stays_flat_at_every_size_and_depth(value, height, width, channels):
    for dtype in (np.uint8, np.uint16):
        flat = np.full((5, 4, channels), value % (np.iinfo(dtype).max + 1), dtype)
        result = resized(flat, (height, width))
        assert result.shape == (height, width, channels)
        assert result.dtype == dtype
        assert (result == flat[0, 0, 0]).all()


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_halving_weighs_neighbours_by_a_triangle(channels, dtype):
    top = np.iinfo(dtype).max
    image = np.random.default_rng(0).integers(0, top, (8, 8, channels), dtype=dtype, endpoint=True)

    def weights(size):  # the triangle of half-width 2 about each new pixel's centre
        centres, places = (np.arange(size // 2) + 0.5) * 2, np.arange(size) + 0.5
        table = np.maximum(0, 1 - abs(places - centres[:, None]) / 2)
        return table / table.sum(1, keepdims=True)

    expected = np.einsum("ay,yxc,bx->abc", weights(8), image.astype(float), weights(8))
    by_fixed_point = dtype is np.uint8 and channels in (1, 3)
    assert abs(resized(image, (4, 4)) - expected).max() <= (1.01 if by_fixed_point else 0.51)


def test_luma_and_copies():
    colour = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    assert with_channels(colour, 1, "x")[0, :, 0].tolist() == [76, 150, 29, 255]
    deep = colour.astype(np.uint16) * 257
    assert with_channels(deep, 1, "x")[0, :, 0].tolist() == [19595, 38469, 7471, 65535]
    grey = with_channels(colour, 1, "x")
    assert (with_channels(grey, 3, "x") == grey).all()
