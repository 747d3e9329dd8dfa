"""Labelled images to come, and their decoding: into memory, or through the pixel store where they are many and large."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, content_hash
from nearkin.data.opening import Opened, image_hash, open_image
from nearkin.data.pixel_store import Decoded, stored
from nearkin.data.preparing import Preparation
from nearkin.data.stacking import SizesDiffer, Stack

LARGEST_IN_MEMORY = 1 << 30
"""Bytes of prepared pixels above which they are kept in a file."""

MANY = 1000
"""Of more images, a few are looked at before all are decoded, to see whether they are of one size."""


@dataclass(frozen=True)
class Picture:
    """An image file: `data` gives its bytes, a call decodes them."""

    data: Callable[[], bytes]
    name: str

    def __call__(self) -> Opened:
        return open_image(self.data(), self.name)


@dataclass(frozen=True)
class Item:
    """One image to come: what is known of it, and how to read it."""

    image_id: str
    class_name: str
    read: Callable[[], Opened]
    split: str | None = None
    group: str | None = None
    query: bool | None = None
    gallery: bool | None = None


def decoded_items(items: Sequence[Item], preparation: Preparation) -> Decoded:
    """Read and prepare the items. Above `LARGEST_IN_MEMORY` their pixels lie in a file that is made once.

    Raises InputError where an image cannot be read (unless `skip_bad`), where none can, or where sizes differ.
    """
    seen = _looked_at(items, preparation)
    _refuse_early(seen, len(items))
    size = _expected_bytes(seen, len(items), preparation)
    if size <= LARGEST_IN_MEMORY:
        return _decode(items, preparation, Stack(len(items)))
    key = _key(items, preparation)
    return stored(key, size, lambda stack: _decode(items, preparation, stack), len(items))


def _decode(items: Sequence[Item], preparation: Preparation, stack: Stack) -> Decoded:
    kept: list[int] = []
    hashes: list[str] = []
    skipped: list[str] = []
    remarks: Counter[str] = Counter()
    for place, item in enumerate(items):
        try:
            opened = item.read()
            image = preparation.apply(opened.pixels, item.image_id)
        except InputError as error:
            if not preparation.skip_bad:
                raise
            skipped.append(str(error))
            continue
        stack.add(image, item.image_id)
        kept.append(place)
        hashes.append(image_hash(opened.pixels))
        remarks.update(opened.remarks)
    if not kept:
        raise InputError(f"none of the {len(items)} images can be read: {skipped[0]}")
    pixels, notes = stack.finish()
    counted = tuple(f"{remark}: {count} of {len(kept)}" for remark, count in sorted(remarks.items()))
    return Decoded(tuple(kept), tuple(hashes), pixels, tuple(skipped), (*notes, *counted), _extremes(pixels))


def _extremes(pixels: NDArray[Any]) -> tuple[int, int]:
    step = max(1, (1 << 26) // max(1, int(np.prod(pixels.shape[1:]))))
    blocks = [pixels[start : start + step] for start in range(0, len(pixels), step)]
    return min(int(block.min()) for block in blocks), max(int(block.max()) for block in blocks)


def _looked_at(items: Sequence[Item], preparation: Preparation) -> list[tuple[NDArray[Any], str]]:
    """A few prepared images, evenly spaced, with their names; those that cannot be read are left out."""
    step = max(1, len(items) // (2 if len(items) <= MANY else 16))
    seen = []
    for item in items[::step]:
        try:
            seen.append((preparation.apply(item.read().pixels, item.image_id), item.image_id))
        except InputError:
            continue
    return seen


def _refuse_early(seen: Sequence[tuple[NDArray[Any], str]], count: int) -> None:
    """Say that sizes differ before many images have been decoded to find it."""
    if count <= MANY or len({image.shape[1:] for image, _ in seen}) <= 1:
        return
    stack = Stack(len(seen))
    for image, name in seen:
        stack.add(image, name)
    try:
        stack.finish()
    except SizesDiffer as error:
        raise SizesDiffer(f"{error} (seen on {len(seen)} of {count:,} images)") from None


def _expected_bytes(seen: Sequence[tuple[NDArray[Any], str]], count: int, preparation: Preparation) -> int:
    """About how many bytes the prepared images will have, judged by a few of them; grey ones may become RGB."""
    largest = 0
    for image, _ in seen:
        channels = 3 if preparation.channels is None and image.shape[0] == 1 else image.shape[0]
        largest = max(largest, channels * image.shape[1] * image.shape[2] * image.dtype.itemsize)
    return largest * count


def _key(items: Sequence[Item], preparation: Preparation) -> str:
    """A hash of every image's content in their order, and of all that decides the prepared pixels and notes."""
    asked = f"pixels 1, size {preparation.size}, channels {preparation.channels}, skip_bad {preparation.skip_bad}"
    asked += ", pad" if preparation.pad else ""
    return content_hash(asked, *(part for item in items for part in (item.image_id, _content(item))))[:32]


def _content(item: Item) -> str:
    try:
        if isinstance(item.read, Picture):
            return hashlib.sha256(item.read.data()).hexdigest()
        return image_hash(item.read().pixels)
    except InputError as error:
        return f"not readable: {error}"
