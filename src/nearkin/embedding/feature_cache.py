"""Features of a frozen network, computed once for an image set and kept on disk for every method, seed and process."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from nearkin.core import InputError, content_hash, integer, pick
from nearkin.core.turn import turn
from nearkin.data import ImageSet
from nearkin.embedding.augmentation import AUGMENTATIONS
from nearkin.embedding.feature_file import Features, read_features, write_features
from nearkin.networks import embed

PART = 512  # images whose features are kept at once: what a killed run loses at most
_HASHED_AT_ONCE = 256


class Fingerprinted(Protocol):
    """A module from images to features that can say in one word what it is: a `Backbone`, or one of your own."""

    def __call__(self, images: Tensor) -> Tensor: ...
    def fingerprint(self) -> str: ...


def cached_features(
    backbone: Fingerprinted,
    images: ImageSet,
    root: str | PathLike[str],
    *,
    augmentation: str = "none",
    batch: int = 64,
    on_progress: Callable[[int, int], object] | None = None,
) -> Features:
    """The features of all images in evaluation mode, from the folder `root` where they are kept, else computed.

    Shapes:    (N, F) float32, read-only memory map; with an augmentation of V views (N, V, F): "flip" has two, the
               image and its mirror image, in that order
    Key:       the backbone's fingerprint (weights, transform, configuration), the augmentation's name, and every pixel
               with its type and value range; whatever of it changes, the features are computed anew. Not in the key:
               `batch`, the machine and the versions of torch, which may change the last bit of a value
    batch:     images, or views of images, that go through the network at once. Memory: one batch of images and `PART` rows of features
    on_progress: called with the number of images done and the number of all of them, after every batch
    Files:     one safetensors file a key, written whole or not at all. A file that is missing, cut short, changed in
               any byte or made for something else is computed anew. A killed computation goes on after its last
               `PART` images. Of several processes one computes and the others wait for it.
    Errors:    InputError for no images, an unknown augmentation, and features that are not finite
    """
    size = integer("batch", batch, minimum=1)
    pick("augmentation", AUGMENTATIONS, augmentation, where="nearkin.embedding.AUGMENTATIONS")
    if not len(images):
        raise InputError("there are no images to compute features of")
    key = features_key(backbone, images, augmentation)
    folder = Path(root).expanduser()
    path = folder / f"{key[:32]}.safetensors"
    found = read_features(path, key)
    if found is None:
        with turn(folder / f".{key[:32]}.lock"):
            found = read_features(path, key)
            if found is None:
                found = _made(backbone, images, path, key, augmentation, size, on_progress)
    shutil.rmtree(_parts_of(path), ignore_errors=True)  # a process killed at the very end leaves them, too
    return found


def features_key(backbone: Fingerprinted, images: ImageSet, augmentation: str = "none") -> str:
    """The key of `cached_features`: SHA-256 of what the features depend on."""
    pixels = hashlib.sha256()
    for start in range(0, len(images), _HASHED_AT_ONCE):
        pixels.update(images.pixels[start : start + _HASHED_AT_ONCE].tobytes())
    low, high = images.value_range
    facts = f"{images.pixels.dtype.str} {images.pixels.shape} {float(low)!r} {float(high)!r}"
    return content_hash("features", backbone.fingerprint(), augmentation, facts, pixels.hexdigest())


def _made(
    backbone: Fingerprinted,
    images: ImageSet,
    path: Path,
    key: str,
    augmentation: str,
    batch: int,
    on_progress: Callable[[int, int], object] | None,
) -> Features:
    """Compute what parts are not there yet, join them at `path`, and read that back."""
    for left_over in path.parent.glob(f".{path.name}.*.part"):
        left_over.unlink(missing_ok=True)
    folder = _parts_of(path)

    def rows(start: int) -> Features:
        stop = min(start + PART, len(images))
        place, part_key = folder / f"{start}.safetensors", content_hash(key, str(start), str(stop))
        kept = read_features(place, part_key)
        if kept is None:
            kept = _features(backbone, images, range(start, stop), augmentation, batch, on_progress)
            write_features(place, part_key, kept.shape, [kept])
        elif on_progress is not None:
            on_progress(stop, len(images))
        return kept

    starts = range(0, len(images), PART)
    shapes = [rows(start).shape for start in starts]
    on_progress = None  # the second time through, everything is there
    write_features(path, key, (len(images), *shapes[0][1:]), (rows(start) for start in starts))
    made = read_features(path, key)
    if made is None:
        raise OSError(f"the features written to {path} are not what is read back from there; look at the disk")
    return made


def _parts_of(path: Path) -> Path:
    return path.with_suffix(".parts")


def _features(
    backbone: Fingerprinted,
    images: ImageSet,
    part: range,
    augmentation: str,
    batch: int,
    on_progress: Callable[[int, int], object] | None,
) -> Features:
    """The features of one part, (n, F) or (n, V, F)."""
    views = AUGMENTATIONS[augmentation]
    at_once = max(1, batch // len(views))

    def batches() -> Iterator[Tensor]:
        for start in range(part.start, part.stop, at_once):
            chosen = np.arange(start, min(start + at_once, part.stop))
            scaled = torch.from_numpy(images.scaled(chosen))
            yield torch.stack([view(scaled) for view in views], 1).flatten(0, 1)
            if on_progress is not None:
                on_progress(int(chosen[-1]) + 1, len(images))

    rows = embed(cast(nn.Module, backbone), batches()).reshape(len(part), len(views), -1)
    broken = np.flatnonzero(~np.isfinite(rows).all((1, 2)))
    if len(broken):
        raise InputError(
            f"the features of {images.image_ids[part[broken[0]]]!r} are not finite, and of {len(broken) - 1} more"
        )
    return rows[:, 0] if augmentation == "none" else rows
