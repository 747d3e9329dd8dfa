"""The embedding that every installation has."""

from __future__ import annotations

import numpy as np
import pytest

from nearkin.embedding import Embedder
from nearkin.embedding.descriptor import describe
from oracles.descriptor import describe_one

RNG = np.random.default_rng(3)


def smooth_images(count):
    """Images with edges in them, (count, 3, 64, 64) in [0, 1]."""
    coarse = RNG.random((count, 3, 8, 8)).astype(np.float32)
    return np.kron(coarse, np.ones((8, 8), np.float32))


def test_rows_are_those_of_the_formula():
    images = np.concatenate([smooth_images(1), RNG.random((1, 3, 64, 64)).astype(np.float32)])
    slow = np.stack([describe_one(image) for image in images])
    assert np.abs(describe(images) - slow).max() < 2e-6


def test_a_row_does_not_depend_on_its_batch():
    images = np.concatenate([smooth_images(9), RNG.random((40, 3, 64, 64)).astype(np.float32)])
    for size in (1, 7, 32):
        parts = [describe(images[start : start + size]) for start in range(0, len(images), size)]
        np.testing.assert_array_equal(np.concatenate(parts), describe(images))


def test_rows_have_length_1_and_a_blank_grey_image_length_0():
    images = np.concatenate([smooth_images(2), np.full((1, 3, 64, 64), 0.7, np.float32), np.zeros((1, 3, 64, 64), np.float32)])
    assert np.linalg.norm(describe(images), axis=1) == pytest.approx([1, 1, 0, 0], abs=1e-6)


def test_next_to_nothing_is_not_made_much_of():
    noise = 0.5 + np.float32(1e-5) * RNG.random((1, 3, 64, 64)).astype(np.float32)
    assert np.linalg.norm(describe(noise)) < 0.01


def test_light_and_contrast_matter_little():
    image, other = (np.repeat(each, 3, axis=1) for each in smooth_images(2)[:, None, :1])
    apart = np.linalg.norm(describe(image) - describe(0.6 * image + 0.3))
    assert apart < 0.1 * np.linalg.norm(describe(image) - describe(other))


def test_directions_are_signed():
    image = np.zeros((1, 3, 64, 64), np.float32)
    image[..., 32:] = 1
    assert np.linalg.norm(describe(image) - describe(1 - image)) > 1


def test_an_empty_batch_gives_no_rows():
    assert describe(np.zeros((0, 3, 64, 64), np.float32)).shape == (0, 320)
    assert Embedder.load("descriptor").embed([]).shape == (0, 320)


def test_digits_are_told_apart():
    from nearkin.data import load_images

    digits = load_images("digits")
    images = [np.moveaxis(image, 0, 2) * 15 for image in digits.pixels]
    rows = Embedder.load("descriptor").embed(images)
    squared = np.square(rows).sum(1)[:, None] + np.square(rows).sum(1) - 2 * rows @ rows.T
    np.fill_diagonal(squared, np.inf)
    assert (digits.labels[squared.argmin(1)] == digits.labels).mean() > 0.99
