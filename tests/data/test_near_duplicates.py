"""Near-duplicates: a fast search held equal to a slow one."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data.sets import image_set
from nearkin.data import near_duplicates
from nearkin.data.near_duplicates import _BLOCK


def parted(count: int, train: int, validation: int) -> SimpleNamespace:
    order = np.arange(count)
    return SimpleNamespace(
        train=order[:train], validation=order[train : train + validation], test=order[train + validation :]
    )


def slow(images, split, similarity):
    pairs = []
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        for first in getattr(split, one):
            for second in getattr(split, other):
                x, y = (images.pixels[index].astype(float).mean(0).ravel() for index in (first, second))
                if x.std() and y.std() and np.corrcoef(x, y)[0, 1] >= similarity:
                    pairs.append((int(first), int(second)))
    return sorted(pairs)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.sampled_from([1, 3]))
def test_the_search_finds_what_a_slow_loop_finds(seed, channels):
    rng = np.random.default_rng(seed)
    smooth = np.kron(rng.integers(40, 200, (30, channels, 5, 5)), np.ones((1, 1, 4, 4)))
    smooth[20:] = smooth[:10]
    noise = rng.normal(0, 1, smooth.shape) * rng.uniform(0, 12, (30, 1, 1, 1))
    images = image_set(np.zeros(30, int), pixels=np.clip(smooth + noise, 0, 255).astype(np.uint8))
    split = parted(30, 12, 8)
    found = near_duplicates(images, split)
    assert sorted((pair.first, pair.second) for pair in found) == slow(images, split, 0.99)
    assert [pair.similarity for pair in found] == sorted((pair.similarity for pair in found), reverse=True)


def test_pairs_are_named_across_parts_only():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 1, 20, 20), dtype=np.uint8)
    pixels[1] = pixels[3] = pixels[0]
    pixels[3, 0, 0, 0] ^= 3
    (pair,) = near_duplicates(image_set([0, 0, 1, 1], pixels=pixels), parted(4, 2, 1), limit=1)
    assert (pair.first_part, pair.second_part, pair.second_id) == ("train", "test", "image3")
    assert len(near_duplicates(image_set([0, 0, 1, 1], pixels=pixels), parted(4, 2, 1))) == 2
    assert near_duplicates(image_set([0, 0, 1, 1], pixels=pixels), parted(4, 4, 0)) == []


def test_flat_images_are_not_listed():
    pixels = np.full((4, 1, 8, 8), 7, np.uint8)
    assert near_duplicates(image_set([0, 0, 1, 1], pixels=pixels), parted(4, 2, 0)) == []


def test_pairs_in_every_block_are_found():
    count = _BLOCK + 50
    pixels = np.random.default_rng(0).integers(0, 256, (2 * count, 1, 4, 4), dtype=np.uint8)
    pixels[count:] = pixels[:count]
    found = near_duplicates(image_set(np.zeros(2 * count, int), pixels=pixels), parted(2 * count, count, 0), limit=9999)
    assert {(pair.first, pair.second) for pair in found} >= {(index, count + index) for index in range(count)}
