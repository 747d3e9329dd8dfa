"""The store of a gallery: every change is one transaction and one numbered revision, on the disk when the call returns.

- folder/gallery.json: what never changes (model, width, distance)
- folder/gallery.db: the truth (images, labels, memberships, revisions, calibrations)
- folder/cache/: derived and deletable (vectors in memory-mapped files, an approximate index)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from nearkin.core import InputError, InputTypeError, integer
from nearkin.gallery import changes, choosing, enrolled, making, migrations, purging, revisions
from nearkin.gallery.auditing import audit
from nearkin.gallery.connecting import WAIT, Database
from nearkin.gallery.enrolled import Details, Enrolled
from nearkin.gallery.entries import Entry
from nearkin.gallery.facts import Facts, new_facts, read_facts
from nearkin.gallery.index import Recall
from nearkin.gallery.purging import Purge
from nearkin.gallery.revisions import Change, Revision
from nearkin.gallery.schema import SCHEMA, calibrations, open_at
from nearkin.gallery.searcher import Searcher
from nearkin.gallery.searching import Found, Snapshot


class _Space(Protocol):
    def as_section(self) -> dict[str, Any]: ...


class Store:
    """A gallery's images, labels and history. `Store.create` and `Store.open` make one.

    Several processes may read beside one that writes; a second writer waits. Each call sees one revision, and later
    calls never an earlier one. A store may be used by several threads and after a fork.
    """

    def __init__(self, folder: Path, facts: Facts, database: Database, *, write: bool) -> None:
        self.folder, self.facts, self._database, self._write = folder, facts, database, write
        self._searcher = Searcher(database, facts)

    @classmethod
    def create(
        cls, folder: Path | str, *, dimension: int, space: _Space, fingerprint: str, wait: float = WAIT
    ) -> Store:
        """Make an empty gallery and open it for writing.

        dimension:    width D of the vectors
        space:        `nearkin.decision.Space`, the distance of projected rows
        fingerprint:  of the model that makes the vectors
        Errors:       InputError where there is a gallery already
        """
        folder = Path(folder)
        making.make(folder, new_facts(integer("dimension", dimension, minimum=1), fingerprint, space.as_section()))
        return cls.open(folder, write=True, wait=wait)

    @classmethod
    def open(cls, folder: Path | str, *, write: bool = False, wait: float = WAIT) -> Store:
        """Open a gallery.

        write:   allow changes; reading works in folders that cannot be written
        wait:    seconds that a change waits for the change of another process
        Errors:  InputError for a folder that is no gallery and for a newer schema; DamagedGallery, an InputError, for
                 files that are missing, cut off, foreign or do not add up
        """
        folder = Path(folder)
        facts = read_facts(folder)
        database = Database(folder, wait=wait)
        if (found := making.schema_of(database)) != SCHEMA:
            migrations.migrate(database, found)
        with database.reading() as connection:
            making.refuse_if_wrong(connection, folder, facts)
            pending = purging.is_pending(connection)
        if write and pending:
            purging.finish(database)
        return cls(folder, facts, database, write=write)

    # Changes

    def add(self, entries: Iterable[Entry], *, note: str = "") -> Change:
        """Enrol images, all or none of them, in one revision.

        The same image (by content hash) under the same label changes nothing; under another label it is reported in
        `conflicts` and not added. An image that was enrolled before comes back with the vector that it had.

        Errors:  InputError for a vector of another width or with NaN, and for a label that is none
        """
        with self._changing().writing() as connection:
            return changes.add(connection, entries, self.facts.dimension, _as_note(note))

    def remove(
        self,
        ids: Iterable[int] | None = None,
        *,
        label: str | None = None,
        hashes: Iterable[str] | None = None,
        note: str = "",
    ) -> Change:
        """Remove the images named by one of ids, label and hashes. Earlier revisions still show them; see `purge`."""
        with self._changing().writing() as connection:
            chosen = choosing.chosen_images(connection, ids, label, hashes)
            return changes.remove(connection, chosen, _as_note(note))

    def relabel(
        self,
        ids: Iterable[int] | None = None,
        to: str = "",
        *,
        label: str | None = None,
        hashes: Iterable[str] | None = None,
        note: str = "",
    ) -> Change:
        """Give the images named by one of ids, label and hashes the label `to`."""
        with self._changing().writing() as connection:
            chosen = choosing.chosen_images(connection, ids, label, hashes)
            return changes.relabel(connection, chosen, to, _as_note(note))

    def calibrate(self, section: Mapping[str, Any] | None, *, note: str = "") -> Change:
        """Keep a calibration (plain values, fit for JSON) from a new revision on; None withdraws it.

        Lists and keys in it may name labels and hashes: a purge takes those that it erases out.
        """
        text = None if section is None else json.dumps(section, ensure_ascii=False, allow_nan=False, sort_keys=True)
        with self._changing().writing() as connection:
            after = revisions.current(connection) + 1
            if not revisions.calibrated(connection, text, after):
                return Change(after - 1)
            revisions.record(connection, "calibrate", note=_as_note(note))
            return Change(after)

    def rollback(self, revision: int, *, note: str = "") -> Change:
        """A new revision that is as `revision` was, its calibration included."""
        with self._changing().writing() as connection:
            return revisions.go_back(connection, revision, _as_note(note))

    def purge(self, *, label: str | None = None, hash: str | None = None) -> Purge:
        """Erase a label or an image for good: when this returns, its bytes are in no file of the gallery.

        See `nearkin.gallery.purging.purge` for what goes with it.
        """
        return purging.purge(self._changing(), label=label, hash=hash)

    def build_index(self, *, seed: int = 0, on_progress: Callable[[str], None] | None = None) -> Recall:
        """Build the approximate index of what is enrolled now, measure its recall, and keep it in the cache.

        Errors:  MissingExtra without faiss; InputError for a distance whose order is not Euclidean
        """
        self._changing()
        return self._searcher.build_index(seed, on_progress)

    def index_is_due(self) -> bool:
        """Whether so many images are enrolled that an index pays, and none that fits is there."""
        return self._searcher.index_is_due()

    # Reading

    def revision(self) -> int:
        """The number of the last revision; an empty gallery is at 0."""
        with self._database.reading() as connection:
            return revisions.current(connection)

    def history(self) -> list[Revision]:
        """All revisions, oldest first."""
        with self._database.reading() as connection:
            return revisions.listed(connection)

    def enrolled(self, at: int | None = None) -> Enrolled:
        """What was enrolled right after revision `at`; None is now."""
        with self._database.reading() as connection:
            return enrolled.enrolled(connection, at)

    def vectors(self, at: int | None = None) -> NDArray[np.float32]:
        """Vectors of `enrolled(at)`, (N, D) float32, in its order; as a rule mapped from a file, never to be written to."""
        return self.snapshot(at).rows

    def snapshot(self, at: int | None = None) -> Snapshot:
        """What was enrolled right after revision `at`, and its vectors; kept in memory until a change."""
        return self._searcher.snapshot(at)

    def search(self, queries: NDArray[np.float32], k: int, *, at: int | None = None, exact: bool = False) -> Found:
        """The k nearest images of each query, exactly up to 300,000 images and beyond by the index where there is one.

        queries:  projected rows (A, D) float32
        exact:    never by the index
        """
        return self._searcher.search(queries, k, at=at, exact=exact)

    def recall(self) -> Recall | None:
        """What the index that is kept is worth; None where there is none."""
        return self._searcher.recall()

    def check(self) -> list[str]:
        """Read every page and vector, and say in sentences what is wrong; an empty list is a sound gallery."""
        return audit(self._database, self.facts)

    def calibration(self, at: int | None = None) -> dict[str, Any] | None:
        """The calibration that held right after revision `at`; None where there was none."""
        with self._database.reading() as connection:
            number = revisions.known(connection, at)
            text = connection.scalar(select(calibrations.c.section).where(open_at(calibrations, number)))
        return None if text is None else dict(json.loads(text))

    def details(self, ids: Sequence[int]) -> list[Details]:
        """Hash, source and size of images, enrolled now or earlier."""
        with self._database.reading() as connection:
            return enrolled.details(connection, [int(each) for each in ids])

    def thumbnail(self, image: int) -> bytes:
        """The encoded thumbnail of an image; empty where it was enrolled without one."""
        with self._database.reading() as connection:
            return enrolled.thumbnail(connection, int(image))

    def _changing(self) -> Database:
        if not self._write:
            raise InputError(f"the gallery {self.folder} was opened for reading; open it with write=True to change it")
        return self._database


def _as_note(note: object) -> str:
    if not isinstance(note, str):
        raise InputTypeError(f"a note is text, got {note!r}")
    return note
