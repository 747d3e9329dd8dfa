"""An opened image becomes what training saw of it, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from nearkin.core import InputError
from nearkin.data import load_images, open_image
from nearkin.embedding import Preprocessing

RNG = np.random.default_rng(12)


def folder_of_images(place, modes):
    """Two classes of images of several sizes in the given Pillow modes; returns their paths in natural order."""
    paths = []
    for label in ("a", "b"):
        (place / label).mkdir(parents=True)
        for number, mode in enumerate(modes):
            size = (20 + 7 * number, 31 - 3 * number)
            pixels = RNG.integers(0, 65536 if mode == "I;16" else 256, (*size, 3) if mode == "RGB" else size)
            path = place / label / f"{number}.png"
            Image.fromarray(pixels.astype(np.uint16 if mode == "I;16" else np.uint8)).save(path)
            paths.append(path)
    return paths


@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("modes", [("RGB", "L"), ("L", "L"), ("L", "I;16"), ("I;16", "I;16")])
@pytest.mark.parametrize("value_range", [None, (10, 200)])
def test_preprocessing_gives_the_bits_that_load_images_gives(tmp_path, modes, channels, value_range):
    paths = folder_of_images(tmp_path / "set", modes)
    images = load_images(tmp_path / "set", size=(17, 23), channels=channels, value_range=value_range)
    made = Preprocessing.of(images)
    opened = [open_image(path.read_bytes(), str(path)).pixels for path in paths]
    assert made(opened).tobytes() == images.scaled().tobytes()


def test_padding_is_that_of_load_images(tmp_path):
    paths = folder_of_images(tmp_path / "set", ("RGB", "RGB"))
    images = load_images(tmp_path / "set", size=(40, 24), pad=True)
    opened = [open_image(path.read_bytes(), str(path)).pixels for path in paths]
    assert Preprocessing.of(images, pad=True)(opened).tobytes() == images.scaled().tobytes()


def test_images_of_the_own_size_are_not_resized():
    images = RNG.integers(0, 256, (3, 9, 8, 1)).astype(np.uint8)
    assert (Preprocessing(1, 9, 8)(list(images)) == images.transpose(0, 3, 1, 2) / np.float32(255)).all()


def test_a_range_of_16_bits_meets_images_of_8_as_if_they_had_been_raised():
    eight = RNG.integers(0, 256, (5, 5, 1)).astype(np.uint8)
    made = Preprocessing(1, 5, 5, (100, 40000), 16)
    assert (made([eight]) == made([eight.astype(np.uint16) * 257])).all()


@pytest.mark.parametrize("value_range", [None, (3, 77)])
def test_a_section_gives_it_again(value_range):
    made = Preprocessing(3, 4, 5, value_range, value_range and 8, bool(value_range))
    assert Preprocessing.from_section(made.as_section()) == made


def test_a_way_of_resizing_that_is_not_known_is_refused():
    with pytest.raises(InputError, match="'nearest'"):
        Preprocessing.from_section({**Preprocessing(1, 2, 2).as_section(), "resize": "nearest"})


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((4, 4), np.uint8), r"\(H, W, C\), got \(4, 4\)"),
        (np.zeros((4, 4, 1), np.float32), "uint8 or uint16 .* got float32"),
        ([[1]], "got list"),
        (np.zeros((4, 4, 2), np.uint8), "2 channels, which cannot become 3"),
    ],
)
def test_other_arrays_are_refused_with_the_reason(image, words):
    with pytest.raises(InputError, match=words):
        Preprocessing(3, 8, 8)([image])


@pytest.mark.parametrize("arguments", [(1, 2, 2, (5, 5), 8), (1, 2, 2, (0, 5), None), (1, 2, 2, (0, float("nan")), 8)])
def test_ranges_that_are_none_are_refused(arguments):
    with pytest.raises(InputError, match="value_range"):
        Preprocessing(*arguments)
