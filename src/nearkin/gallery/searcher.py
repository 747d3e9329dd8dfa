"""The searcher of a store: what is in memory, and whether a search goes by the index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, MissingExtra
from nearkin.decision import Space
from nearkin.gallery.connecting import DamagedGallery, Database
from nearkin.gallery.enrolled import enrolled
from nearkin.gallery.facts import Facts
from nearkin.gallery.index import Index, Recall, built, kept_recall, load, save
from nearkin.gallery.matrix import Matrix
from nearkin.gallery.revisions import known, last_purge
from nearkin.gallery.searching import Found, Indexed, Snapshot, search

INDEX_FROM = 300_000
"""Enrolled images from which on an index is used: there exact search leaves 20 ms (benchmarks/studies/gallery_scale.py)."""

MISSING = "searched exactly: a gallery of this size has no index yet"
LACKING = "searched exactly: faiss, which an index needs, is not installed (pip install 'nearkin[index]')"
ORDER = "searched exactly: an index knows the order of Euclidean distances only"


class Searcher:
    """Snapshots and searches of one store. The last snapshot, and the index, stay in memory until a change."""

    def __init__(self, database: Database, facts: Facts) -> None:
        self._database, self._facts = database, facts
        self._matrix = Matrix(database, facts)
        self._snapshot: Snapshot | None = None
        self._indexed: Indexed | None = None

    @cached_property
    def _space(self) -> Space:
        return Space.from_section(self._facts.space)

    def snapshot(self, at: int | None) -> Snapshot:
        """What was enrolled at a revision, and its vectors."""
        last = self._snapshot
        with self._database.reading() as connection:
            number, purged = known(connection, at), last_purge(connection)
            if last and (last.enrolled.revision, last.enrolled.purged) == (number, purged):
                return last
            found = enrolled(connection, at)
        try:
            snapshot = Snapshot(found, self._matrix.of(found, keep=at is None))
        except DamagedGallery:
            with self._database.reading() as connection:
                if last_purge(connection) == purged:
                    raise
            return self.snapshot(at)  # a purge came in between
        if at is None:
            self._snapshot = snapshot
        return snapshot

    def search(self, queries: NDArray[np.float32], k: int, *, at: int | None, exact: bool) -> Found:
        """The k nearest images of each query."""
        snapshot = self.snapshot(at)
        if exact or len(snapshot.enrolled) < INDEX_FROM:
            return search(self._space, snapshot, queries, k, None)
        if not self._space.order_is_euclidean:
            return replace(search(self._space, snapshot, queries, k, None), note=ORDER)
        try:
            indexed = self._seen_from(snapshot)
        except MissingExtra:
            return replace(search(self._space, snapshot, queries, k, None), note=LACKING)
        found = search(self._space, snapshot, queries, k, indexed)
        return found if indexed else replace(found, note=MISSING)

    def _seen_from(self, snapshot: Snapshot) -> Indexed | None:
        last = self._indexed
        if last and last.snapshot is snapshot:
            return last
        if find_spec("faiss") is None:
            raise MissingExtra("faiss")
        now, purged = self.recall(), snapshot.enrolled.purged
        if last and last.index.recall == now and last.snapshot.enrolled.purged == purged:
            index: Index | None = last.index
        else:
            index = load(self._database.folder, self._facts.gallery, purged)
        self._indexed = Indexed(snapshot, index) if index else None
        return self._indexed

    def recall(self) -> Recall | None:
        """What the index that is kept is worth."""
        with self._database.reading() as connection:
            return kept_recall(self._database.folder, self._facts.gallery, last_purge(connection))

    def build_index(self, seed: int, on_progress: Callable[[str], None] | None) -> Recall:
        """Build and keep the index of what is enrolled now."""
        if not self._space.order_is_euclidean:
            raise InputError(f"an index knows the order of Euclidean distances only, not that of {self._space.name}")
        snapshot = self.snapshot(None)
        now = snapshot.enrolled
        if not len(now):
            raise InputError("nothing is enrolled, so there is nothing to index")
        index = built(snapshot.rows, now.ids, revision=now.revision, seed=seed, on_progress=on_progress)
        save(self._database, self._facts.gallery, now.purged, index)
        return index.recall

    def index_is_due(self) -> bool:
        """Whether an index would pay and none that fits is there."""
        snapshot = self.snapshot(None)
        if len(snapshot.enrolled) < INDEX_FROM or not self._space.order_is_euclidean:
            return False
        try:
            indexed = self._seen_from(snapshot)
        except MissingExtra:
            return False
        return indexed is None or indexed.is_stale
