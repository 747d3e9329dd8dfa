"""Erasing for good: from every revision, the log, free pages, caches and copies.

A purge has two halves. One transaction takes the rows out of every revision and writes down that traces in files are still
to be wiped. Then caches and copies are deleted, the database is rewritten without its free pages, and its log is folded in
and cut to nothing. Only then is the note of the pending erasure taken back and the purge acknowledged. After a kill in
between, whoever opens the gallery for writing next does the second half.
"""

from __future__ import annotations

import errno
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, func, insert, select, update

from nearkin.core import InputError
from nearkin.gallery import caching
from nearkin.gallery.changes import chunks
from nearkin.gallery.connecting import Database
from nearkin.gallery.entries import as_hash
from nearkin.gallery.labels import as_label
from nearkin.gallery.migrations import copies
from nearkin.gallery.revisions import current, record
from nearkin.gallery.schema import (
    calibrations,
    erasures,
    images,
    labels,
    memberships,
    revisions,
    thumbnails,
    vectors,
)

_LATER = "they are wiped when the gallery is next opened for writing"


@dataclass(frozen=True)
class Purge:
    """What a purge erased. Notes of revisions that named the label, the hash or the source are erased whole."""

    revision: int
    images: int
    labels: int
    notes: int


def purge(database: Database, *, label: str | None = None, hash: str | None = None) -> Purge:
    """Erase a label, or an image, from every revision; when this returns, its bytes are in no file of the gallery.

    label:   its name goes, and with it every image that bears it, or bore it last. An image that has another label now
             keeps that one; only its time under the purged label is erased
    hash:    the image goes, whatever labels it bore, and labels that no other image bore
    Errors:  InputError for a label or an image that no revision knows; OSError where a reader keeps the log in use or the
             disk has no room to rewrite the database: the rows are gone then, and their traces in files are wiped by
             the next opening for writing
    """
    with database.writing() as connection:
        done = _forget(connection, label, hash)
    try:
        finish(database)
    except OSError as error:
        said = f"the rows are purged, but not yet their traces in files ({error.strerror}); {_LATER}"
        raise OSError(error.errno, said, str(database.folder)) from error
    return done


def is_pending(connection: Connection) -> bool:
    """Whether traces of a purge may still be in the files."""
    return bool(connection.scalar(select(func.count()).select_from(erasures)))


def finish(database: Database) -> None:
    """Wipe the traces of what was purged, and take back the note that they are pending."""
    with database.reading() as connection:
        newest = connection.scalar(select(func.max(erasures.c.revision)))
    place = str(database.folder)
    caching.clear(database.folder)
    for copy in copies(database.folder):
        copy.unlink(missing_ok=True)
    with database.bare() as connection:
        connection.execute("VACUUM")
        if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise TimeoutError(errno.ETIMEDOUT, f"a reader keeps the log in use, and with it traces; {_LATER}", place)
    with database.writing() as change:
        change.execute(delete(erasures).where(erasures.c.revision <= newest))  # later ones are another purge's


def _forget(connection: Connection, label: str | None, hash: str | None) -> Purge:
    if (label is None) == (hash is None):
        raise InputError("purge either a label or the hash of an image")
    names = set[str]()
    if label is not None:
        names |= {as_label(label)}
        gone = _images_of(connection, as_label(label))
    else:
        names |= {as_hash(hash)}
        gone = list(connection.scalars(select(images.c.id).where(images.c.hash == hash)))
        if not gone:
            raise InputError(f"no revision of this gallery knows an image {hash}")
    for part in chunks(gone):
        for row in connection.execute(select(images.c.hash, images.c.source).where(images.c.id.in_(part))):
            names |= {each for each in row if each}
    lost = _enrolled_among(connection, gone)
    record(connection, "purge", removed=lost)
    for part in chunks(gone):
        for table in (memberships, vectors, thumbnails):
            connection.execute(delete(table).where(table.c.image.in_(part)))
        connection.execute(delete(images).where(images.c.id.in_(part)))
    dropped = _drop_unborne(connection)
    _erase_from_sources(connection, dropped)
    _erase_from_calibrations(connection, names | dropped)
    notes = _erase_notes(connection, names | dropped)
    number = current(connection)
    connection.execute(insert(erasures).values(revision=number))
    return Purge(number, len(gone), len(dropped), notes)


def _images_of(connection: Connection, label: str) -> list[int]:
    """The images that bore the label last. Memberships under it of other images are deleted here."""
    code = connection.scalar(select(labels.c.id).where(labels.c.name == label))
    if code is None:
        raise InputError(f"no revision of this gallery knows a label {label!r}")
    later = memberships.alias("later")
    last = ~exists().where(later.c.image == memberships.c.image, later.c.id > memberships.c.id)
    gone = list(connection.scalars(select(memberships.c.image).where(and_(memberships.c.label == code, last))))
    connection.execute(delete(memberships).where(memberships.c.label == code, memberships.c.closed.is_not(None)))
    return gone


def _enrolled_among(connection: Connection, chosen: Sequence[int]) -> int:
    open_now = select(func.count()).where(memberships.c.closed.is_(None))
    return sum(int(connection.scalar(open_now.where(memberships.c.image.in_(part))) or 0) for part in chunks(chosen))


def _drop_unborne(connection: Connection) -> set[str]:
    unborne = ~exists().where(memberships.c.label == labels.c.id)
    names = set(connection.scalars(select(labels.c.name).where(unborne)))
    connection.execute(delete(labels).where(unborne))
    return names


def _erase_notes(connection: Connection, names: set[str]) -> int:
    rows = connection.execute(select(revisions.c.number, revisions.c.note).where(revisions.c.note != "")).all()
    found = [row[0] for row in rows if any(name in unicodedata.normalize("NFC", row[1]) for name in names)]
    for part in chunks(found):
        connection.execute(update(revisions).where(revisions.c.number.in_(part)).values(note=""))
    return len(found)


def _erase_from_sources(connection: Connection, names: set[str]) -> None:
    """Folders that bear the label in the paths of images that stay, which another label holds now."""
    for name in names:
        for form in {name, unicodedata.normalize("NFD", name)}:
            holds = func.instr(images.c.source, form) > 0
            for row in connection.execute(select(images.c.id, images.c.source).where(holds)).all():
                parts = ["(erased)" if part == form else part for part in re.split(r"([/\\\\])", row[1])]
                connection.execute(update(images).where(images.c.id == row[0]).values(source="".join(parts)))


def _erase_from_calibrations(connection: Connection, names: set[str]) -> None:
    for row in connection.execute(select(calibrations.c.id, calibrations.c.section)).all():
        section = json.loads(row[1])
        kept = _without(section, names)
        if kept != section:
            text = json.dumps(kept, ensure_ascii=False, allow_nan=False, sort_keys=True)
            connection.execute(update(calibrations).where(calibrations.c.id == row[0]).values(section=text))


def _without(value: Any, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(each, names) for key, each in value.items() if key not in names}
    if isinstance(value, list):
        return [_without(each, names) for each in value if not (isinstance(each, str) and each in names)]
    return value
