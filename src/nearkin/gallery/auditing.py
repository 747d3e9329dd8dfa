"""A thorough look at a gallery: every page, every vector, every count."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
from sqlalchemy import Connection, func, select

from nearkin.gallery.connecting import DamagedGallery, Database
from nearkin.gallery.facts import Facts
from nearkin.gallery.purging import is_pending
from nearkin.gallery.revisions import last_purge
from nearkin.gallery.schema import memberships, revisions, vectors

SHOWN = 20
"""Findings of one kind that are listed."""


def audit(database: Database, facts: Facts) -> list[str]:
    """What is wrong with the files of a gallery, in sentences; an empty list is a sound gallery. Reads everything."""
    try:
        with database.reading() as connection:
            return [*_pages(connection), *_vectors(connection, facts), *_counts(connection), *_pending(connection)]
    except DamagedGallery as error:
        return [str(error)]


def _pages(connection: Connection) -> Iterator[str]:
    for row in connection.exec_driver_sql(f"PRAGMA integrity_check({SHOWN})"):
        if row[0] != "ok":
            yield f"gallery.db is damaged: {row[0]}; put back a copy of the gallery"
    for row in connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(SHOWN):
        yield f"gallery.db does not add up: row {row[1]} of {row[0]} refers to a missing row of {row[2]}"


def _vectors(connection: Connection, facts: Facts) -> Iterator[str]:
    wrong = []
    for image, vector, total in connection.execute(select(vectors.c.image, vectors.c.vector, vectors.c.sum)):
        if len(vector) != 4 * facts.dimension or zlib.crc32(vector) != total:
            wrong.append(f"the vector of image {image} is damaged; purge that image and add it again")
        elif not np.isfinite(np.frombuffer(vector, "<f4")).all():
            wrong.append(f"the vector of image {image} holds NaN or infinity; purge that image")
    lacking = memberships.c.image.not_in(select(vectors.c.image))
    wrong += [
        f"image {image} has no vector; purge it and add it again"
        for image in connection.scalars(select(memberships.c.image).where(lacking).distinct())
    ]
    yield from wrong[:SHOWN]
    if len(wrong) > SHOWN:
        yield f"and {len(wrong) - SHOWN:,} more vectors"


def _counts(connection: Connection) -> Iterator[str]:
    """Each revision since the last purge has as many open memberships as it says; they are numbered without a gap."""
    rows = connection.execute(select(revisions.c.number, revisions.c.enrolled).order_by(revisions.c.number)).all()
    if [row[0] for row in rows] != list(range(len(rows))):
        yield "the history has gaps; put back a copy of the gallery"
        return
    change = np.zeros(len(rows) + 1, dtype=np.int64)
    for column, sign in ((memberships.c.opened, 1), (memberships.c.closed, -1)):
        for number, count in connection.execute(select(column, func.count()).group_by(column)):
            if number is not None:
                change[min(number, len(rows))] += sign * count
    held, since = np.cumsum(change), last_purge(connection)
    for number, said in rows:
        if number >= since and held[number] != said:
            yield f"revision {number} says {said:,} images and holds {held[number]:,}; put back a copy of the gallery"


def _pending(connection: Connection) -> Iterator[str]:
    if is_pending(connection):
        yield "a purge was cut short: its traces are wiped when the gallery is next opened for writing"
