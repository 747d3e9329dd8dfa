"""Prepared pixels of large image sets in files of the platform's cache folder, mapped into memory instead of read into it.

One folder a set: `pixels.N`, the images one after another, and `facts.json`, what was found while they were decoded. Its name
is a hash of every image file's content and of what was asked of the images, so a changed file or another size is another folder.
Nothing here is needed: a folder that is deleted, cut short or damaged is made again.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, write_json
from nearkin.core.caches import DAY, cache_folder
from nearkin.data.opening import image_hash
from nearkin.data.stacking import Stack

SCHEMA = 1
FACTS = "facts.json"
SAMPLED = 64
"""Images, evenly spaced, whose content is compared when a stored set is opened."""


@dataclass(frozen=True)
class Decoded:
    """What came of decoding a list of images.

    kept : the places in the list of those that could be read.
    hashes : of each of them, as it was decoded.
    pixels : (N, C, H, W) after preparation.
    skipped : why the others could not be read.
    notes : what was made equal, and remarks on what had to be done to images.
    extremes : the smallest and the largest value.
    """

    kept: tuple[int, ...]
    hashes: tuple[str, ...]
    pixels: NDArray[Any]
    skipped: tuple[str, ...]
    notes: tuple[str, ...]
    extremes: tuple[int, int]


def pixel_cache() -> Path:
    """The folder of stored pixels; it may be deleted at any time."""
    return cache_folder("pixels")


def stored(key: str, size: int, decode: Callable[[Stack], Decoded], room: int) -> Decoded:
    """What is stored under `key`, or what `decode` makes of a new stack of `room` images, stored for the next time.

    `size` is about how many bytes that will be. Several processes may ask for the same at once. Raises InputError where the
    cache folder has no room for it.
    """
    folder = pixel_cache() / key
    found = _opened(folder)
    if found is not None:
        return found
    part = folder.with_name(f"{key}.{secrets.token_hex(8)}.part")
    part.mkdir(parents=True)
    try:
        _clear(folder.parent)
        if shutil.disk_usage(part).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        _fill(part, decode, room)
        _put(part, folder)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise InputError(
            f"{folder.parent} has no room for the {size / 2**30:.1f} GiB of the prepared images; make room there, let "
            "XDG_CACHE_HOME name a folder on a larger disk, or pass a smaller size=(height, width)"
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    found = _opened(folder)
    if found is None:
        raise InputError(f"{folder} cannot be read back just after it was written; is the disk sound?")
    return found


def _fill(part: Path, decode: Callable[[Stack], Decoded], room: int) -> None:
    stack = Stack(room, part / "pixels")
    try:
        decoded = decode(stack)
    except BaseException:
        stack.drop()
        raise
    pixels = decoded.pixels
    facts = {name: value for name, value in vars(decoded).items() if name != "pixels"}
    file = next(part.glob("pixels.*")).name
    facts |= {"schema": SCHEMA, "file": file, "shape": pixels.shape, "dtype": pixels.dtype.name}
    write_json(part / FACTS, {**facts, "samples": _samples(pixels)})


def _put(part: Path, folder: Path) -> None:
    """Give the finished folder its name; where another process was quicker, its folder stays unless it is damaged."""
    try:
        part.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if _opened(folder) is None:
            damaged = part.with_suffix(".damaged.part")
            folder.rename(damaged)
            part.rename(folder)
            shutil.rmtree(damaged, ignore_errors=True)


def _opened(folder: Path) -> Decoded | None:
    """What a folder holds; None where it is not there, of another schema, or not as it was written."""
    try:
        facts = json.loads((folder / FACTS).read_text("utf-8"))
        if facts["schema"] != SCHEMA:
            return None
        shape, dtype = tuple(facts["shape"]), np.dtype(facts["dtype"])
        file = folder / facts["file"]
        if file.stat().st_size != int(np.prod(shape, dtype=np.int64)) * dtype.itemsize:
            return None
        pixels = np.asarray(np.memmap(file, dtype, "r", shape=shape))
        if _samples(pixels) != facts["samples"]:
            return None
        fields = {name: tuple(facts[name]) for name in ("kept", "hashes", "skipped", "notes", "extremes")}
        return Decoded(pixels=pixels, **fields)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _samples(pixels: NDArray[Any]) -> list[str]:
    places = np.unique(np.linspace(0, len(pixels) - 1, SAMPLED).round().astype(np.int64))
    return [image_hash(pixels[place]) for place in places]


def _clear(cache: Path) -> None:
    """Remove what killed processes left unfinished more than a day ago."""
    for left in cache.glob("*.part"):
        try:
            if time.time() - left.stat().st_mtime > DAY:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:  # another process was quicker
            continue
