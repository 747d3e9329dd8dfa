"""The image set: its parts agree, its hash knows all of them, scaling is linear and clips nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.sets import image_set
from nearkin.core import InputError


def test_scaled_maps_the_value_range_to_zero_and_one_without_clipping():
    pixels = np.array([0, 100, 400, 500], np.uint16).reshape(4, 1, 1, 1)
    images = replace(image_set([0, 0, 1, 1], pixels=pixels), value_range=(100.0, 400.0))
    scaled = images.scaled([0, 1, 2, 3])
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.ravel(), [-1 / 3, 0, 1, 4 / 3], rtol=1e-6)
    np.testing.assert_array_equal(images.scaled(), scaled)
    np.testing.assert_array_equal(images.scaled([2, 0]), scaled[[2, 0]])


def test_take_keeps_order_labels_and_names():
    images = image_set([0, 1, 2, 1], groups=[0, 1, 1, 0], split=["train", "test", "test", "train"])
    some = images.take([3, 1])
    assert some.labels.tolist() == [1, 1]
    assert some.classes == images.classes
    assert some.image_ids == ("image3", "image1")
    assert some.hashes == (images.hashes[3], images.hashes[1])
    assert some.groups.tolist() == [0, 1]
    assert some.split.tolist() == ["train", "test"]
    np.testing.assert_array_equal(some.pixels, images.pixels[[3, 1]])


def test_the_data_hash_knows_every_part_of_the_data():
    plain = image_set([0, 1, 0, 1])
    variants = [
        plain,
        image_set([0, 1, 0, 1], seed=1),
        image_set([0, 1, 1, 0]),
        image_set([0, 1, 0, 1], classes=["0", "one"]),
        image_set([0, 1, 0, 1], groups=[0, 0, 1, 1]),
        image_set([0, 1, 0, 1], groups=[0, 1, 1, 1]),
        image_set([0, 1, 0, 1], split=["train", "train", "test", "test"]),
        replace(plain, value_range=(0, 16)),
        plain.take([1, 0, 2, 3]),
    ]
    assert len({images.data_hash for images in variants}) == len(variants)
    assert image_set([0, 1, 0, 1]).data_hash == plain.data_hash
    assert replace(plain, name="other", notes=("said",), source="elsewhere").data_hash == plain.data_hash


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pixels": np.zeros((2, 1, 3, 3))}, "uint8 or uint16"),
        ({"pixels": np.zeros((2, 3, 3), np.uint8)}, "N, C, H, W"),
        ({"labels": np.array([0])}, "labels has 1 entries for 2 images"),
        ({"labels": np.array([0, 2])}, "positions in the 2 names"),
        ({"labels": np.array([0.0, 1.0])}, "int64"),
        ({"hashes": ()}, "hashes has 0 entries"),
        ({"split": np.array(["train", "exam"])}, "split must hold only"),
        ({"value_range": (5, 5)}, "the lower first"),
    ],
)
def test_parts_that_disagree_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        replace(image_set([0, 1]), **change)


def test_repr_says_what_is_inside():
    assert (
        repr(image_set([0, 1, 1], groups=[0, 0, 1])) == "ImageSet('small': 3 images of 6 x 6 x 1, 2 classes, 2 groups)"
    )
