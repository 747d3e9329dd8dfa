"""Connections to a gallery's database: short, durable, and their failures in words.

A connection lives as long as one transaction. So nothing stays locked or open between calls, a process may fork, and when
the last one closes SQLite folds its log into `gallery.db`: a gallery at rest is complete in that one file.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from nearkin.core import InputError

DATABASE = "gallery.db"
WAIT = 300.0
"""Seconds that a change waits for the change of another process. Embedding is done before, so changes are short: a million
images are added in two minutes."""

STEP_MS = 100
"""Milliseconds of waiting at a time, so that Ctrl-C is heard in between."""

_WRITING = (
    "foreign_keys = ON",
    "synchronous = FULL",  # a change is on the disk before it is acknowledged
    "secure_delete = ON",
    "cell_size_check = ON",
    "cache_size = -65536",  # KiB: hashes are spread over their whole index
)
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")
_NOT_TO_BE_WRITTEN = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_FULL", "SQLITE_IOERR_SHM")
"""Folders in which SQLite cannot make the small files by which readers and writers know of each other."""


class DamagedGallery(InputError):
    """A file of a gallery is missing, cut off, foreign or does not add up. What is wrong is named; nothing is repaired."""


class Database:
    """The database of the gallery in `folder`.

    wait:  seconds to wait for another process's change
    """

    def __init__(self, folder: Path, *, wait: float = WAIT) -> None:
        self.folder, self.path, self.wait = folder, folder / DATABASE, wait

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view: what others commit meanwhile is not seen. Works in folders that cannot be written."""
        with self._told(), self._readers.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One change, all of it or nothing, on the disk when the block ends.

        Errors:  TimeoutError where another process's change takes longer than `wait`; OSError where the disk is full
        """
        with self._told(), self._writers.begin() as connection:
            yield connection

    @contextmanager
    def bare(self) -> Iterator[sqlite3.Connection]:
        """A connection outside any transaction, for what cannot be done within one (VACUUM, checkpoints, copies)."""
        with self._told(), closing(self._to_write()) as connection:
            yield connection

    @cached_property
    def _readers(self) -> Engine:
        return _engine(self._to_read, lambda connection: connection.exec_driver_sql("BEGIN"))

    @cached_property
    def _writers(self) -> Engine:
        return _engine(self._to_write, self._begin_to_write)

    def _begin_to_write(self, connection: Connection) -> None:
        ends = time.monotonic() + self.wait
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {STEP_MS}")
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                break
            except DBAPIError as error:
                if not _errorname(error.orig).startswith(_BUSY) or time.monotonic() >= ends:
                    raise
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(1000 * self.wait)}")

    def _connect(self, how: str, *first: str) -> sqlite3.Connection:
        place = f"file:{quote(str(self.path.absolute()))}?{how}"
        connection = sqlite3.connect(place, uri=True, timeout=self.wait, isolation_level=None, check_same_thread=False)
        try:
            for statement in ("PRAGMA trusted_schema = OFF", *first):
                connection.execute(statement).fetchall()
        except BaseException:
            connection.close()
            raise
        return connection

    def _to_read(self) -> sqlite3.Connection:
        try:
            return self._connect("mode=ro", "SELECT count(*) FROM sqlite_schema")
        except sqlite3.OperationalError as error:
            if not (error.sqlite_errorname.startswith(_NOT_TO_BE_WRITTEN) and self._is_at_rest()):
                raise
            return self._connect("mode=ro&immutable=1")

    def _to_write(self) -> sqlite3.Connection:
        return self._connect("mode=rw", *(f"PRAGMA {setting}" for setting in _WRITING))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._in_words(error.orig) from error
        except sqlite3.Error as error:
            raise self._in_words(error) from error

    def _in_words(self, error: BaseException | None) -> Exception:
        name = _errorname(error)
        if name.startswith(_BUSY):
            return TimeoutError(
                errno.ETIMEDOUT,
                f"another process is changing this gallery, and {self.wait:g} s of waiting did not help; "
                "nothing was changed; try again when it is done",
                str(self.folder),
            )
        if name == "SQLITE_FULL" or (name.startswith("SQLITE_IOERR") and self._is_full()):
            return OSError(errno.ENOSPC, "no room is left on the disk; nothing of this change was kept", str(self.path))
        if name.startswith("SQLITE_IOERR"):
            return OSError(errno.EIO, f"the disk did not do what was asked ({name}); nothing was kept", str(self.path))
        if name.startswith(("SQLITE_READONLY", "SQLITE_PERM")):
            return PermissionError(errno.EACCES, "the gallery cannot be written to", str(self.path))
        if name.startswith("SQLITE_CANTOPEN"):
            return OSError(errno.EACCES, self._why_not_opened(), str(self.path))
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return DamagedGallery(f"{self.path} is damaged ({error}); put back a copy of the gallery")
        if isinstance(error, sqlite3.OperationalError) and name == "SQLITE_ERROR":
            return DamagedGallery(f"{self.path} is not a gallery's database, or a damaged one ({error})")
        return error if isinstance(error, Exception) else RuntimeError(str(error))

    def _why_not_opened(self) -> str:
        if not self.path.exists():
            return "the gallery has no database; put back a copy of the gallery"
        return "the gallery's log (gallery.db-wal) holds changes that can only be read where the folder can be written"

    def _is_at_rest(self) -> bool:
        log = self.path.with_name(DATABASE + "-wal")
        return self.path.exists() and not (log.exists() and log.stat().st_size)

    def _is_full(self) -> bool:
        return shutil.disk_usage(self.folder).free < 1 << 20


def _errorname(error: BaseException | None) -> str:
    return str(getattr(error, "sqlite_errorname", ""))


def _engine(connect: object, begin: Callable[[Connection], object]) -> Engine:
    engine = create_engine("sqlite+pysqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", begin)
    return engine
