"""Features are computed once, and never taken from a file that is not exactly theirs."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file

from embedding.small import FEATURES, IMAGES, Small, some_images
from killing import run_script
from nearkin.core import InputError
from nearkin.core import turn as turn_module
from nearkin.data import ImageSet
from nearkin.embedding import AUGMENTATIONS, cached_features, feature_cache, features_key
from nearkin.networks import embed

SCRIPT = Path(__file__).with_name("killed_workers.py")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "PART", 8)


def the_file(root: Path) -> Path:
    (path,) = root.glob("*.safetensors")
    return path


def computed(network: Small) -> int:
    """How many images the network was shown since it was last asked."""
    count = sum(network.shown)
    network.shown.clear()
    return count


def test_features_are_those_of_the_network_and_are_computed_once(tmp_path):
    network, images = Small(), some_images()
    wanted = embed(network, images.scaled())
    network.shown.clear()
    first = cached_features(network, images, tmp_path, batch=3)
    assert computed(network) == IMAGES
    again = cached_features(Small(), images, str(tmp_path), batch=7)
    assert computed(network) == 0
    assert first.shape == (IMAGES, FEATURES)
    assert first.dtype == np.float32
    assert np.allclose(first, wanted, atol=1e-6)
    assert np.array_equal(first, again)
    assert isinstance(again, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        again[0] = 0


def test_flipped_images_have_features_of_their_own(tmp_path):
    network, images = Small(), some_images()
    both = cached_features(network, images, tmp_path, augmentation="flip", batch=4)
    assert max(network.shown) == 4  # two images, two views of each
    assert both.shape == (IMAGES, 2, FEATURES)
    assert np.allclose(both[:, 0], embed(network, images.scaled()), atol=1e-6)
    assert np.allclose(both[:, 1], embed(network, images.scaled()[..., ::-1].copy()), atol=1e-6)
    assert set(AUGMENTATIONS) == {"none", "flip"}


def test_the_network_is_asked_in_evaluation_mode_and_left_as_it_was(tmp_path):
    network = Small().train()
    features = cached_features(network, some_images(), tmp_path)
    assert network.training
    assert network.dropout.training
    assert np.allclose(features, embed(network, some_images().scaled()), atol=1e-6)


def test_memory_holds_one_batch_of_images(tmp_path, monkeypatch):
    asked: list[int] = []
    scaled = ImageSet.scaled
    monkeypatch.setattr(ImageSet, "scaled", lambda self, chosen: (asked.append(len(chosen)), scaled(self, chosen))[1])
    cached_features(Small(), some_images(), tmp_path, batch=3)
    assert max(asked) == 3
    assert sum(asked) == IMAGES


def test_any_reader_of_the_format_opens_the_file(tmp_path):
    features = cached_features(Small(), some_images(), tmp_path)
    assert np.array_equal(load_file(the_file(tmp_path))["features"], features)
    with safe_open(the_file(tmp_path), "numpy") as file:
        metadata = file.metadata()
    assert metadata["key"] == features_key(Small(), some_images())
    assert metadata["schema"] == "1"


def foreign(path: Path, root: Path) -> None:
    cached_features(Small(seed=1), some_images(), root / "other")
    shutil.copy(the_file(root / "other"), path)


def other_shape(path: Path, root: Path) -> None:
    text = path.read_bytes()
    wanted = f"[{IMAGES}, {FEATURES}]".encode()
    assert wanted in text
    path.write_bytes(text.replace(wanted, f"[{FEATURES}, {IMAGES}]".encode(), 1))


ATTACKS = {
    "deleted": lambda path, root: path.unlink(),
    "emptied": lambda path, root: path.write_bytes(b""),
    "truncated by a byte": lambda path, root: os.truncate(path, path.stat().st_size - 1),
    "truncated to half": lambda path, root: os.truncate(path, path.stat().st_size // 2),
    "truncated in its header": lambda path, root: os.truncate(path, 100),
    "extended": lambda path, root: path.write_bytes(path.read_bytes() + b"\0"),
    "zeros": lambda path, root: path.write_bytes(bytes(path.stat().st_size)),
    "another key's file": foreign,
    "rows for columns": other_shape,
    "text": lambda path, root: path.write_text("not features at all\n" * 50),
    "an endless header": lambda path, root: path.write_bytes(b"\xff" * 8 + path.read_bytes()[8:]),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_file_that_is_not_what_was_written_is_made_again(tmp_path, attack):
    network, images = Small(), some_images()
    wanted = np.array(cached_features(network, images, tmp_path / "cache"))
    path = the_file(tmp_path / "cache")
    whole = path.read_bytes()
    network.shown.clear()
    ATTACKS[attack](path, tmp_path)
    assert np.array_equal(cached_features(network, images, tmp_path / "cache"), wanted)
    assert computed(network) == IMAGES
    assert path.read_bytes() == whole
    assert np.array_equal(cached_features(network, images, tmp_path / "cache"), wanted)
    assert computed(network) == 0


def test_a_change_of_any_byte_is_noticed(tmp_path):
    network, images = Small(), some_images()
    cached_features(network, images, tmp_path)
    path = the_file(tmp_path)
    whole = path.read_bytes()
    key = features_key(network, images)
    assert feature_cache.read_features(path, key) is not None
    unnoticed = []
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        if feature_cache.read_features(path, key) is not None:
            unnoticed.append(position)
    assert unnoticed == []


def changed_pixel(images: ImageSet) -> ImageSet:
    pixels = images.pixels.copy()
    pixels[17, 0, 3, 2] ^= 1
    return replace(images, pixels=pixels)  # the hashes, which somebody else wrote, stay as they were


CHANGES = {
    "one pixel": changed_pixel,
    "value range": lambda images: replace(images, value_range=(0, 254)),
    "type": lambda images: replace(images, pixels=images.pixels.astype(np.uint16)),
    "order": lambda images: images.take(np.arange(IMAGES)[::-1]),
    "one image less": lambda images: images.take(np.arange(IMAGES - 1)),
    "shape": lambda images: replace(images, pixels=images.pixels.reshape(IMAGES, 1, 4, 9)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_images_have_features_of_their_own(tmp_path, change):
    network, images = Small(), some_images()
    cached_features(network, images, tmp_path)
    network.shown.clear()
    other = CHANGES[change](images)
    features = cached_features(network, other, tmp_path)
    assert computed(network) == len(other)
    assert np.allclose(features, embed(network, other.scaled()), atol=1e-6)


def test_labels_and_names_do_not_matter(tmp_path):
    network, images = Small(), some_images()
    cached_features(network, images, tmp_path)
    network.shown.clear()
    cached_features(network, replace(images, labels=images.labels[::-1].copy(), name="other"), tmp_path)
    assert computed(network) == 0


def test_changed_weights_have_features_of_their_own(tmp_path):
    network, images = Small(), some_images()
    before = cached_features(network, images, tmp_path)
    network.shown.clear()
    with torch.no_grad():
        network.linear.weight[2, 3] += 1e-3
    after = cached_features(network, images, tmp_path)
    assert computed(network) == IMAGES
    assert not np.array_equal(before, after)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def test_an_augmentation_has_a_key_of_its_own():
    assert features_key(Small(), some_images(), "none") != features_key(Small(), some_images(), "flip")


def test_features_in_use_stay_as_they_are_when_the_file_is_replaced(tmp_path):
    network, images = Small(), some_images()
    held = cached_features(network, images, tmp_path)
    copy = np.array(held)
    the_file(tmp_path).unlink()
    cached_features(network, images, tmp_path)
    assert np.array_equal(held, copy)


def test_progress_counts_images_and_begins_where_a_stopped_computation_ended(tmp_path):
    network, images = Small(), some_images()
    told: list[tuple[int, int]] = []

    def stop_after_20(done: int, of: int) -> None:
        told.append((done, of))
        if done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_features(network, images, tmp_path, batch=3, on_progress=stop_after_20)
    assert told == [(3, 30), (6, 30), (8, 30), (11, 30), (14, 30), (16, 30), (19, 30), (22, 30)]
    network.shown.clear()
    told.clear()
    cached_features(network, images, tmp_path, batch=3, on_progress=lambda done, of: told.append((done, of)))
    assert computed(network) == 14
    assert [done for done, of in told] == [8, 16, 19, 22, 24, 27, 30]
    told.clear()
    cached_features(network, images, tmp_path, on_progress=lambda done, of: told.append((done, of)))
    assert told == []


def test_without_locks_the_features_are_right_all_the_same(tmp_path, monkeypatch):
    def no_locks(handle: int) -> bool:
        raise OSError("no locks available")

    monkeypatch.setattr(turn_module, "locked", no_locks)
    features = cached_features(Small(), some_images(), tmp_path)
    assert np.allclose(features, embed(Small(), some_images().scaled()), atol=1e-6)


def test_features_that_are_not_finite_are_an_error_that_names_an_image(tmp_path):
    class Broken(Small):
        def forward(self, images):
            features = super().forward(images)
            features[images[:, 0, 0, 0] == some_images().scaled([11])[0, 0, 0, 0]] = torch.nan
            return features

    with pytest.raises(InputError, match="features of 'image11' are not finite"):
        cached_features(Broken(), some_images(), tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"augmentation": "flop"}, "did you mean 'flip'"),
        ({"batch": 0}, "batch must be a whole number of at least 1"),
        ({"images": some_images().take([])}, "no images"),
    ],
)
def test_what_cannot_be_computed_is_refused(tmp_path, options, said):
    with pytest.raises(InputError, match=said):
        cached_features(**{"backbone": Small(), "images": some_images(), "root": tmp_path, **options})


def test_of_several_processes_one_computes_and_all_have_the_same(tmp_path):
    found = run_script(SCRIPT, "together", tmp_path, 4)
    assert found["failed"] == 0
    assert found["computed"] == [0, 0, 0, IMAGES]
    assert found["contents"] == 1
    assert found["right"]
    assert len(found["left"]) == 1


def test_a_kill_at_any_moment_costs_at_most_one_part_of_the_work(tmp_path):
    found = run_script(SCRIPT, "kills", tmp_path)
    assert found["kills"] > 25
    assert found["same"] == found["kills"]
    assert found["saved"] > found["kills"] / 2
