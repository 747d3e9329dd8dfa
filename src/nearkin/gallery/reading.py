"""From photos to rows: decoded ahead by threads, embedded in batches of bounded memory, every bad file named."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nearkin.core import InputError
from nearkin.data.opening import Opened, image_hash
from nearkin.gallery.collecting import Collection, Photo

Progress: TypeAlias = Callable[[int, int], object]
"""Called with how many photos are done, and of how many."""

BATCH = 64
BATCH_BYTES = 1 << 28
"""Images of a batch, and bytes of their pixels (256 MiB): whichever is reached first."""

LISTED = 10
"""Bad files that an error names one by one."""

THUMBNAIL = 128


class Embeds(Protocol):
    """The part of an `Embedder` that reading needs."""

    def embed(self, images: Sequence[NDArray[Any]]) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Row:
    """A photo that was read: content hash, projected embedding (D,), size, what had to be done to it, and a thumbnail
    where one was asked for."""

    photo: Photo
    hash: str
    vector: NDArray[np.float32]
    width: int
    height: int
    remarks: tuple[str, ...] = ()
    thumbnail: bytes = b""


def read_rows(
    collection: Collection,
    embedder: Embeds,
    *,
    only: Container[str] | None = None,
    thumbnails: bool = False,
    on_progress: Progress | None = None,
) -> Iterator[Row]:
    """Every photo of `collection` as a row, in order; with `only`, those of these content hashes.

    Bad files go to `collection.bad` with their reason. Where `skip_bad` is off, all photos are still opened, so that one
    error can name all bad files; and an error it is where none can be read.
    Memory: one batch of decoded images and those decoded ahead.
    """
    done = kept = 0
    collection.bad.clear()
    for batch in _batches(collection, os.cpu_count() or 1):
        read = [(photo, opened, image_hash(opened.pixels)) for photo, opened in batch if isinstance(opened, Opened)]
        good = [each for each in read if only is None or each[2] in only]
        collection.bad += [(photo.name, str(opened)) for photo, opened in batch if not isinstance(opened, Opened)]
        if good and (collection.skip_bad or not collection.bad):
            vectors = embedder.embed([opened.pixels for _, opened, _ in good])
            for (photo, opened, content), vector in zip(good, vectors, strict=True):
                small = thumbnail(opened.pixels) if thumbnails else b""
                height, width = opened.pixels.shape[:2]
                yield Row(photo, content, vector, width, height, opened.remarks, small)
        kept += len(read)
        done += len(batch)
        if on_progress is not None:
            on_progress(done, len(collection))
    if collection.bad and not (collection.skip_bad and kept):
        raise InputError(_words_on_bad(collection))


def _words_on_bad(collection: Collection) -> str:
    bad, count = collection.bad, len(collection)
    if count == 1:
        return bad[0][1]
    lines = [f"  {reason}" for _, reason in bad[:LISTED]] + ([f"  and {len(bad) - LISTED:,} more"] if len(bad) > LISTED else [])
    advice = "" if len(bad) == count else "; mend or remove them, or leave them out with --skip-bad (skip_bad=True)"
    return f"{len(bad):,} of {count:,} images cannot be read{advice}:\n" + "\n".join(lines)


def _batches(collection: Collection, workers: int) -> Iterator[list[tuple[Photo, Opened | InputError]]]:
    """Opened photos, at most `BATCH` and about `BATCH_BYTES` at a time."""
    batch: list[tuple[Photo, Opened | InputError]] = []
    size = 0
    for photo, opened in _opened(collection, workers):
        batch.append((photo, opened))
        size += opened.pixels.nbytes if isinstance(opened, Opened) else 0
        if len(batch) >= BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _opened(collection: Collection, workers: int) -> Iterator[tuple[Photo, Opened | InputError]]:
    """Photos in order, a few of them decoded ahead by threads."""
    if len(collection) == 1:
        yield collection.photos[0], _open(collection.photos[0])
        return
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[tuple[Photo, Any]] = deque()
        try:
            for photo in collection.photos:
                ahead.append((photo, pool.submit(_open, photo)))
                if len(ahead) > 2 * workers:
                    first, coming = ahead.popleft()
                    yield first, coming.result()
            while ahead:
                first, coming = ahead.popleft()
                yield first, coming.result()
        finally:
            for _, coming in ahead:
                coming.cancel()


def _open(photo: Photo) -> Opened | InputError:
    try:
        return photo.read()
    except InputError as error:
        return error


def thumbnail(pixels: NDArray[Any], side: int = THUMBNAIL) -> bytes:
    """A small picture (JPEG; PNG where nothing is to be made smaller) of an image (H, W, C) of 8 or 16 bits."""
    eight = pixels if pixels.dtype == np.uint8 else np.round(pixels / 257).astype(np.uint8)
    picture = Image.fromarray(eight if eight.shape[2] == 3 else eight[:, :, 0])
    content = io.BytesIO()
    if max(picture.size) <= side:
        picture.save(content, "PNG")
    else:
        picture.thumbnail((side, side))
        picture.save(content, "JPEG", quality=80)
    return content.getvalue()
