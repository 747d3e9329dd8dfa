"""The vectors of a revision as one matrix, mapped from a file that is derived from the database.

The file holds vectors in the order of image ids, which only grow. So adding images appends to it, which nobody who has
mapped its beginning notices, and an earlier revision is often its beginning. Anything else makes a new file out of the old
one. `vectors.json` says how many rows count, with their checksum; what does not fit it is made anew, never believed.
"""

from __future__ import annotations

import json
import secrets
import threading
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from nearkin.core import write_json
from nearkin.gallery import caching
from nearkin.gallery.connecting import Database
from nearkin.gallery.enrolled import Enrolled, rows_of
from nearkin.gallery.facts import Facts
from nearkin.gallery.revisions import last_purge

RECORD = "vectors.json"
FORMAT = 1
BLOCK = 1 << 16
"""Rows copied at a time."""

Rows = NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class _Record:
    gallery: str
    purged: int
    rows: int
    file: str
    sum: int
    ids_sum: int
    format: int = FORMAT


@dataclass(frozen=True)
class _Kept:
    record: _Record
    ids: Ids
    rows: Rows


class Matrix:
    """The vectors of a gallery's revisions; one object serves a store, in any of its threads."""

    def __init__(self, database: Database, facts: Facts) -> None:
        self._database, self._facts = database, facts
        self._folder = database.folder / caching.FOLDER
        self._last: _Kept | None = None
        self._lock = threading.Lock()

    def of(self, enrolled: Enrolled, *, keep: bool) -> Rows:
        """Vectors of what is enrolled, (N, D) float32, not to be written to.

        keep:    make the file where it is missing, damaged or behind. Where it cannot be written (a folder for reading
                 only, a full disk) the vectors are read into memory
        Errors:  DamagedGallery for a vector that is missing from the database or does not fit its checksum
        """
        with self._lock:
            kept = self._kept(enrolled.purged)
            if not (kept and _begins(kept.ids, enrolled.ids)) and keep:
                kept = self._made(enrolled) or kept
            if kept and _begins(kept.ids, enrolled.ids):
                return kept.rows[: len(enrolled)]
            return np.concatenate([np.empty((0, self._facts.dimension), np.float32), *self._rows(enrolled.ids, kept)])

    def _kept(self, purged: int) -> _Kept | None:
        """The file as it is, checked; None where there is none to be believed."""
        try:
            record = _Record(**json.loads((self._folder / RECORD).read_bytes()))
            if (record.format, record.gallery, record.purged) != (FORMAT, self._facts.gallery, purged):
                return None
            return self._checked(record)
        except (OSError, ValueError, TypeError):
            return None

    def _checked(self, record: _Record) -> _Kept | None:
        last = self._last
        if last and last.record == record:
            return last
        if not record.rows:
            return _Kept(record, np.empty(0, np.int64), np.empty((0, self._facts.dimension), np.float32))
        place = self._folder / record.file
        ids = np.memmap(_ids_of(place), np.int64, "r", shape=(record.rows,))
        rows = np.memmap(place, np.float32, "r", shape=(record.rows, self._facts.dimension))
        known = (last.record.rows, last.record.sum) if last and last.record.file == record.file else (0, 0)
        if known[0] > record.rows:
            known = (0, 0)
        if zlib.crc32(rows[known[0] :].data, known[1]) != record.sum or zlib.crc32(ids.data) != record.ids_sum:
            return None
        self._last = _Kept(record, ids, rows)
        return self._last

    def _made(self, enrolled: Enrolled) -> _Kept | None:
        """The file brought to what is enrolled; None where it cannot be, or where a purge came in between."""
        try:
            with caching.alone(self._database.folder) as folder:
                kept = self._kept(enrolled.purged)
                if kept and _begins(kept.ids, enrolled.ids):
                    return kept
                try:
                    record = self._written(folder, enrolled, kept)
                except BaseException:
                    _remove_but(folder, kept.record.file if kept else None)
                    raise
                with self._database.reading() as connection:
                    if last_purge(connection) != enrolled.purged:
                        _remove_but(folder, None)
                        return None
                write_json(folder / RECORD, asdict(record))
                _remove_but(folder, record.file)
                return self._checked(record)
        except OSError:
            return None

    def _written(self, folder: Path, enrolled: Enrolled, kept: _Kept | None) -> _Record:
        grows = kept is not None and kept.record.rows > 0 and _begins(enrolled.ids, kept.ids)
        if kept and grows:
            start, name, total, ids_total = kept.record.rows, kept.record.file, kept.record.sum, kept.record.ids_sum
        else:
            start, name, total, ids_total = 0, f"vectors-{secrets.token_hex(8)}.f32", 0, 0
        place, new = folder / name, enrolled.ids[start:]
        with _at(_ids_of(place), 8 * start) as file:
            file.write(new.data)
        with _at(place, 4 * self._facts.dimension * start) as file:
            for rows in self._rows(new, None if grows else kept):
                file.write(rows.data)
                total = zlib.crc32(rows.data, total)
        return _Record(
            self._facts.gallery, enrolled.purged, len(enrolled), name, total, zlib.crc32(new.data, ids_total)
        )

    def _rows(self, ids: Ids, kept: _Kept | None) -> Iterator[Rows]:
        """Vectors of these images in blocks: from the file where it has them, else from the database."""
        with self._database.reading() as connection:
            for part in (ids[start : start + BLOCK] for start in range(0, len(ids), BLOCK)):
                if kept is None or not len(kept.ids):
                    yield from rows_of(connection, part, self._facts.dimension)
                    continue
                places = np.minimum(np.searchsorted(kept.ids, part), len(kept.ids) - 1)
                there = kept.ids[places] == part
                rows = np.empty((len(part), self._facts.dimension), np.float32)
                rows[there] = kept.rows[places[there]]
                if not there.all():
                    rows[~there] = np.concatenate([*rows_of(connection, part[~there], self._facts.dimension)])
                yield rows


def _begins(ids: Ids, beginning: Ids) -> bool:
    return len(beginning) <= len(ids) and bool(np.array_equal(ids[: len(beginning)], beginning))


def _ids_of(place: Path) -> Path:
    return place.with_suffix(".ids")


def _at(path: Path, offset: int) -> IO[bytes]:
    """The file, open for writing from `offset` on; what a killed process left behind it is cut off."""
    file = path.open("r+b" if offset else "wb")
    file.seek(offset)
    file.truncate()
    return file


def _remove_but(folder: Path, name: str | None) -> None:
    stem = Path(name).stem if name else None
    for file in folder.glob("vectors-*"):
        if file.stem != stem:
            try:
                file.unlink(missing_ok=True)
            except OSError:  # mapped by a reader, where such a file cannot be removed
                continue
