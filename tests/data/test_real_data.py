"""The real data sets under NEARKIN_DATA, against what their authors say of them."""

from __future__ import annotations

import time
from functools import lru_cache

import numpy as np
import pytest

from nearkin.data import CATALOGUE, check_leaks, data_root, load_images, make_split, near_duplicates, possible_protocols

pytestmark = pytest.mark.data
loaded = lru_cache(maxsize=1)(load_images)  # tests of one set stand together


@pytest.fixture(scope="module", autouse=True)
def forgotten_at_the_end():
    yield
    loaded.cache_clear()


def described(name):
    """The set, if it is what the catalogue says."""
    entry, images = CATALOGUE[name], loaded(name)
    assert len(images) == entry.images
    assert len(images.classes) == entry.classes
    assert images.image_shape == entry.shape
    assert len(set(images.image_ids)) == len(images)
    return images


def test_mnist_has_its_official_split_and_no_leak():
    images = described("mnist")
    split = make_split(images, "official")
    assert (len(split.train) + len(split.validation), len(split.test)) == (60000, 10000)
    assert np.bincount(images.labels[split.test]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert abs(images.scaled(np.arange(60000)).mean() - 0.1307) < 1e-4
    check_leaks(images, split)


@pytest.mark.slow
def test_near_duplicates_of_all_mnist_are_few_and_found_in_bounded_time():
    images = loaded("mnist")
    began = time.perf_counter()
    found = near_duplicates(images, make_split(images, "official"))
    print(f"{len(found)} pairs in {time.perf_counter() - began:.1f} s")
    assert 1 <= len(found) < 20
    assert all(images.labels[pair.first] == images.labels[pair.second] for pair in found)


def test_omniglot_parts_share_no_class_and_one_drawing_is_there_twice():
    images = described("omniglot")
    split = make_split(images, "official")
    classes = [set(images.labels[split.part(name)].tolist()) for name in ("train", "validation", "test")]
    assert list(map(len, classes)) == [868, 96, 659]
    assert len(set.union(*classes)) == 1623
    assert images.notes == ("identical to another image: 1 of 32460",)
    twins = [images.image_ids.index(f"train/Braille/character01/0192_{number}.png") for number in ("03", "19")]
    assert len({images.hashes[twin] for twin in twins}) == 1


def test_faces_are_in_order():
    images = described("faces")
    assert images.classes == tuple(f"s{number}" for number in range(1, 41))
    assert images.image_ids[:10] == tuple(f"s1/{number}.pgm" for number in range(1, 11))
    assert possible_protocols(images)["closed-set"] is None


@pytest.mark.parametrize(
    ("path", "classes"), [("cub200_2010/CUB_200_2010_144px.zip", 200), ("caltech101/caltech101_96px.zip", 102)]
)
def test_archives_of_photos_load_as_folders_do(path, classes):
    place = data_root() / path
    if not place.exists():
        pytest.skip(f"{place} is not there")
    images = load_images(place, size=(16, 16), limit_per_class=5)
    assert len(images) == 5 * classes
    assert len(images.classes) == classes
    assert images.image_shape == (3, 16, 16)


def test_the_birds_of_2010_are_split_by_class_numbers():
    images = load_images("cub200-2010", size=(16, 16))
    assert (len(images), len(images.classes)) == (CATALOGUE["cub200-2010"].images, CATALOGUE["cub200-2010"].classes)
    split = make_split(images, "official", validation_share=0.5)
    assert (len(split.train) + len(split.validation), len(split.test)) == (2990, 3043)
    assert split.description["classes"] == {"train": 50, "validation": 50, "test": 100}
    assert {images.classes[label][:3] for label in images.labels[split.test]} == {f"{n:03d}" for n in range(101, 201)}
    assert "not comparable" in images.notes[0]


def test_the_objects_of_caltech_are_split_80_to_20_in_every_class():
    images = load_images("caltech101", size=(16, 16))
    assert (len(images), len(images.classes)) == (CATALOGUE["caltech101"].images, CATALOGUE["caltech101"].classes)
    assert "Faces" in images.classes
    assert not {"Faces_easy", "BACKGROUND_Google"} & {*images.classes}
    split = make_split(images, "closed-set", test_share=0.2, validation_share=0.1)
    sizes, tested = np.bincount(images.labels), np.bincount(images.labels[split.test])
    assert (np.abs(tested - sizes * 0.2) <= 0.5).all()
    assert possible_protocols(images)["official"] is not None
