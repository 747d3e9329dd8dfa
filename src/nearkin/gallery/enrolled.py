"""What is enrolled at a revision, read in one consistent view."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from nearkin.core import InputError
from nearkin.gallery.changes import chunks
from nearkin.gallery.connecting import DamagedGallery
from nearkin.gallery.revisions import known, last_purge
from nearkin.gallery.schema import images, labels, memberships, open_at, thumbnails, vectors

BLOCK = 4096
"""Vectors read at a time."""


@dataclass(frozen=True, eq=False)
class Enrolled:
    """The images of a revision in the order of their ids, which never change and are never given again.

    Shapes:  ids (N,) int64; codes (N,) int64, places in `names`; names: the labels that are borne, sorted
    purged:  the last revision that erased something from earlier ones, or -1; `revision` and it tell what is enrolled
    """

    revision: int
    ids: NDArray[np.int64]
    codes: NDArray[np.int64]
    names: tuple[str, ...]
    purged: int = -1

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labels(self) -> NDArray[Any]:
        """The label of every image, (N,) of str."""
        return np.array([*self.names, ""], dtype=object)[self.codes]


@dataclass(frozen=True)
class Details:
    """What is kept beside an image's vector."""

    id: int
    hash: str
    source: str
    width: int
    height: int


def enrolled(connection: Connection, at: int | None) -> Enrolled:
    """What was enrolled right after revision `at`; None is now."""
    number = known(connection, at)
    when = memberships.c.closed.is_(None) if at is None else open_at(memberships, number)
    pairs = select(memberships.c.image, memberships.c.label).where(when).order_by(memberships.c.image)
    rows = np.array([tuple(row) for row in connection.execute(pairs).all()], dtype=np.int64).reshape(-1, 2)
    names = {row[0]: row[1] for row in connection.execute(select(labels.c.id, labels.c.name))}
    borne, codes = np.unique(rows[:, 1], return_inverse=True)
    words = [names[code] for code in borne.tolist()]
    order = sorted(range(len(words)), key=words.__getitem__)
    place = np.empty(len(words), dtype=np.int64)
    place[order] = np.arange(len(words))
    ids = np.ascontiguousarray(rows[:, 0])
    return Enrolled(number, ids, place[codes.reshape(-1)], tuple(words[each] for each in order), last_purge(connection))


def details(connection: Connection, ids: Sequence[int]) -> list[Details]:
    """Details of these images, enrolled now or earlier, in the order asked for.

    Errors:  InputError for an id that there is not
    """
    columns = (images.c.id, images.c.hash, images.c.source, images.c.width, images.c.height)
    found = {
        row[0]: Details(*row)
        for part in chunks(ids)
        for row in connection.execute(select(*columns).where(images.c.id.in_(part)))
    }
    for each in ids:
        if each not in found:
            raise InputError(f"there is no image {each} in this gallery; it may have been purged")
    return [found[each] for each in ids]


def thumbnail(connection: Connection, image: int) -> bytes:
    """The thumbnail of an image; empty where it was enrolled without one."""
    details(connection, [image])
    return connection.scalar(select(thumbnails.c.content).where(thumbnails.c.image == image)) or b""


def rows_of(connection: Connection, ids: NDArray[np.int64], dimension: int) -> Iterator[NDArray[np.float32]]:
    """Vectors of these images in blocks, in their order; the ids ascend.

    Errors:  DamagedGallery for a vector that is missing or does not fit its checksum
    """
    for start in range(0, len(ids), BLOCK):
        part = ids[start : start + BLOCK]
        dense = int(part[-1]) - int(part[0]) < 2 * BLOCK
        wanted = vectors.c.image.between(int(part[0]), int(part[-1])) if dense else vectors.c.image.in_(part.tolist())
        asked = select(vectors.c.image, vectors.c.vector, vectors.c.sum).where(wanted)
        found = {row[0]: (row[1], row[2]) for row in connection.execute(asked)}
        content = b"".join(_whole(image, *found.get(image, (b"", -1)), dimension) for image in part.tolist())
        yield np.frombuffer(content, dtype="<f4").astype(np.float32, copy=False).reshape(-1, dimension)


def _whole(image: int, vector: bytes, total: int, dimension: int) -> bytes:
    if len(vector) != 4 * dimension or zlib.crc32(vector) != total:
        raise DamagedGallery(
            f"the vector of image {image} is missing or damaged; purge that image and add it again, "
            "or put back a copy of the gallery"
        )
    return vector


def count_open(connection: Connection) -> int:
    """Images that are enrolled now."""
    return int(connection.scalar(select(func.count()).where(memberships.c.closed.is_(None))) or 0)
