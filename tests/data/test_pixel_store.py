"""Large sets lie in a file: the same images as in memory, decoded once, and made again when the file is not as it was written."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import sys
import time

import numpy as np
import pytest
from PIL import Image

from data.sets import image_set
from nearkin.core import InputError
from nearkin.data import SizesDiffer, Standardisation, decoding, load_images, near_duplicates, pixel_store
from nearkin.data.pixel_store import Decoded, stored

COUNT = 24


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return pixel_store.pixel_cache()


@pytest.fixture
def stored_always(cache, monkeypatch):
    monkeypatch.setattr(decoding, "LARGEST_IN_MEMORY", 0)
    return cache


@pytest.fixture
def photos(tmp_path):
    """A folder of two classes: colour and grey, 8 and 16 bits, one that is no image."""
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (9, 8) if number in (0, 5, 6) else (9, 8, 3)
        dtype = np.uint16 if number == 5 else np.uint8
        Image.fromarray(rng.integers(0, 256, shape).astype(dtype)).save(path)
    (tmp_path / "photos" / "a" / "broken.png").write_bytes(b"\x89PNG no")
    return tmp_path / "photos"


def load(photos):
    return load_images(photos, size=(6, 5), skip_bad=True)


def decodings(monkeypatch):
    """A list that grows by one with every image that is decoded."""
    counted, open_image = [], decoding.open_image
    monkeypatch.setattr(decoding, "open_image", lambda data, name: counted.append(name) or open_image(data, name))
    return counted


def same(one, other):
    assert np.array_equal(one.pixels, other.pixels)
    assert one.pixels.dtype == other.pixels.dtype
    assert (one.data_hash, one.notes, one.image_ids) == (other.data_hash, other.notes, other.image_ids)


def in_file(pixels):
    return isinstance(pixels.base, np.memmap) and not pixels.flags.writeable


def test_a_stored_set_is_the_set_in_memory_and_is_decoded_once(photos, cache, monkeypatch):
    memory = load(photos)
    assert not cache.exists()
    monkeypatch.setattr(decoding, "LARGEST_IN_MEMORY", 0)
    counted = decodings(monkeypatch)
    first = load(photos)
    assert len(counted) > COUNT
    counted.clear()
    second = load(photos)
    assert len(counted) <= 3  # to see how large they are
    for images in (first, second):
        same(images, memory)
        assert in_file(images.pixels)
    assert len(list(cache.iterdir())) == 1
    assert sum(path.stat().st_size for path in cache.glob("*/pixels.*")) == memory.pixels.nbytes


def test_another_content_size_or_channels_is_another_file(photos, stored_always):
    load(photos)
    load_images(photos, size=(6, 6), skip_bad=True)
    load_images(photos, size=(6, 5), channels=1, skip_bad=True)
    before = load(photos)
    assert len(list(stored_always.iterdir())) == 3
    Image.fromarray(np.zeros((9, 8, 3), np.uint8)).save(photos / "a" / "02.png")
    after = load(photos)
    assert len(list(stored_always.iterdir())) == 4
    assert not np.array_equal(before.pixels, after.pixels)


def truncate(folder):
    with next(folder.glob("pixels.*")).open("r+b") as file:
        file.truncate(100)


def overwrite(folder):
    file = next(folder.glob("pixels.*"))
    file.write_bytes(bytes(file.stat().st_size))


def another_schema(folder):
    facts = json.loads((folder / "facts.json").read_text())
    (folder / "facts.json").write_text(json.dumps({**facts, "schema": 2}))


@pytest.mark.parametrize(
    "spoil",
    [
        truncate,
        overwrite,
        another_schema,
        lambda folder: next(folder.glob("pixels.*")).unlink(),
        lambda folder: (folder / "facts.json").write_text("{"),
        lambda folder: (folder / "facts.json").write_text("[]"),
        lambda folder: (folder / "facts.json").unlink(),
        shutil.rmtree,
    ],
    ids=["truncated", "overwritten", "schema", "no pixels", "half facts", "other facts", "no facts", "deleted"],
)
def test_what_is_not_as_it_was_written_is_made_again(photos, stored_always, spoil):
    images = load(photos)
    pixels = images.pixels.copy()
    spoil(next(stored_always.iterdir()))
    again = load(photos)
    assert np.array_equal(again.pixels, pixels)
    assert again.data_hash == images.data_hash
    assert len(list(stored_always.iterdir())) == 1


def test_an_unreadable_image_leaves_nothing_behind(photos, stored_always):
    with pytest.raises(InputError, match=r"broken\.png"):
        load_images(photos, size=(6, 5))
    assert list(stored_always.iterdir()) == []


def test_images_of_several_sizes_are_refused_as_in_memory(photos, stored_always):
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(photos / "a" / "small.png")
    with pytest.raises(InputError, match="the images differ in size"):
        load_images(photos, skip_bad=True)
    assert list(stored_always.iterdir()) == []


def test_of_many_images_a_few_tell_that_sizes_differ(photos, stored_always, monkeypatch):
    monkeypatch.setattr(decoding, "MANY", 10)
    for number in range(0, COUNT, 2):
        Image.fromarray(np.zeros((4, 4 + number % 4, 3), np.uint8)).save(photos / "a" / f"{number:02d}.png")
    with pytest.raises(SizesDiffer, match=r"the images differ in size.*pass size.*seen on \d+ of 25 images"):
        load_images(photos, skip_bad=True)
    assert list(stored_always.parent.glob('*')) == []
    same(load(photos), load(photos))


def test_two_that_store_the_same_at_once_agree(cache):
    pixels = np.arange(5 * 12, dtype=np.uint8).reshape(5, 3, 2, 2)

    def decode(stack):
        for number, image in enumerate(pixels):
            stack.add(image, str(number))
        if not any(cache.glob("k/facts.json")):  # another process is quicker
            stored("k", 60, decode_alone, 5)
        return Decoded(tuple(range(5)), tuple("abcde"), stack.finish()[0], (), (), (0, 59))

    def decode_alone(stack):
        for number, image in enumerate(pixels):
            stack.add(image, str(number))
        return Decoded(tuple(range(5)), tuple("abcde"), stack.finish()[0], (), ("quicker",), (0, 59))

    found = stored("k", 60, decode, 5)
    assert found.notes == ("quicker",)
    assert np.array_equal(found.pixels, pixels)
    assert [path.name for path in cache.iterdir()] == ["k"]


def test_what_a_killed_process_left_is_removed_a_day_later(photos, stored_always):
    old, new = stored_always / "x.1.part", stored_always / "x.2.part"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "pixels.1").write_bytes(b"half")
    os.utime(old, (time.time() - 2 * pixel_store.DAY,) * 2)
    load(photos)
    assert not old.exists()
    assert new.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kills_while_storing_leave_nothing_that_is_read(photos, stored_always, monkeypatch):
    expected = load(photos)
    prepare = decoding.Preparation.apply
    monkeypatch.setattr(decoding.Preparation, "apply", lambda *given: time.sleep(0.002) or prepare(*given))
    rng, killed = random.Random(0), 0
    for _ in range(8):
        for whole in stored_always.glob("*[!t]"):
            shutil.rmtree(whole)
        child = os.fork()
        if child == 0:
            try:
                load(photos)
            finally:
                os._exit(0)
        time.sleep(rng.uniform(0.02, 0.12))
        os.kill(child, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert killed
    assert list(stored_always.glob("*.part"))
    same(load(photos), expected)


@pytest.mark.parametrize("when", ["before", "while writing"])
def test_a_full_disk_is_said_in_words(photos, stored_always, monkeypatch, when):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    if when == "before":
        monkeypatch.setattr(pixel_store.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0))
    else:
        monkeypatch.setattr(pixel_store, "_put", full)
    with pytest.raises(InputError, match="has no room for the 0.0 GiB of the prepared images.*smaller size"):
        load(photos)
    assert list(stored_always.iterdir()) == []


def test_large_images_are_added_up_and_compared_in_smaller_blocks(monkeypatch):
    images = image_set([0, 1] * 20, size=(12, 12), split=["train", "test"] * 20)
    images.pixels[1] = images.pixels[0]
    parts = {"train": np.arange(0, 40, 2), "validation": np.arange(0), "test": np.arange(1, 40, 2)}
    split = type("Parts", (), parts)
    whole, pairs = Standardisation.of(images, parts["train"]), near_duplicates(images, split)
    for module in ("standardising", "near_duplicates"):
        monkeypatch.setattr(sys.modules[f"nearkin.data.{module}"], "_VALUES", 3 * 144)
    small = Standardisation.of(images, parts["train"])
    assert np.allclose([small.mean, small.deviation], [whole.mean, whole.deviation], rtol=1e-12)
    assert near_duplicates(images, split) == pairs
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 1)]
