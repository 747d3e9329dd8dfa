"""Entries on their way into a gallery: kept in a file as they are embedded, so that memory holds one batch of them."""

from __future__ import annotations

import errno
import json
import struct
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np

from nearkin.gallery.entries import Entry

_HEAD = struct.Struct("<III")  # bytes of the words, of the vector and of the thumbnail that follow


class Staged:
    """Entries in a file without a name, which is gone when it is closed or its process ends, in whatever way.

    Only then are they added, in one short transaction: nobody waits for images to be embedded.

    near:    the gallery's folder, there or to be made; the file lies on its disk, for that of temporary files may be memory
    Errors:  OSError where the disk is full, or the folder cannot be written to
    """

    def __init__(self, near: Path) -> None:
        self._near = next(place for place in (near, *near.absolute().parents) if place.is_dir())
        with self._told():
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=self._near)  # noqa: SIM115  # closed by __exit__
        self._places = array("q")

    def __enter__(self) -> Staged:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # what is still to be written where the disk is full, of a file that goes
            self._file.close()

    def __len__(self) -> int:
        return len(self._places)

    def append(self, entry: Entry) -> None:
        """Write one entry; all are written before the first is read."""
        words = json.dumps([entry.hash, entry.label, entry.source, entry.width, entry.height]).encode()
        vector = entry.vector.astype("<f4", copy=False).tobytes()
        with self._told():
            self._places.append(self._file.tell())
            self._file.write(_HEAD.pack(len(words), len(vector), len(entry.thumbnail)))
            self._file.write(words + vector + entry.thumbnail)

    def entries(self, order: Iterable[int] | None = None) -> Iterator[Entry]:
        """Every entry, or those of these numbers, one after the other."""
        with self._told():
            self._file.flush()
        for number in range(len(self)) if order is None else order:
            self._file.seek(self._places[number])
            words, vector, thumbnail = _HEAD.unpack(self._file.read(_HEAD.size))
            content, label, source, width, height = json.loads(self._file.read(words))
            row = np.frombuffer(self._file.read(vector), "<f4").astype(np.float32, copy=False)
            yield Entry(content, label, row, self._file.read(thumbnail), source, width, height)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                said = "no room is left on the disk for the embedded images; none of them was enrolled"
                raise OSError(errno.ENOSPC, said, str(self._near)) from error
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise PermissionError(errno.EACCES, "the gallery cannot be written to", str(self._near)) from error
            raise OSError(error.errno, error.strerror, str(self._near)) from error
