"""The tables of a gallery's database: what is enrolled, since when, until when.

A membership says that an image bore a label from the revision that opened it until the one that closed it. It is written
once and closed once, never edited, so that every revision remains a query.
"""

from __future__ import annotations

from sqlalchemy import Column, ColumnElement, ForeignKey, FromClause, Index, Integer, LargeBinary, MetaData, Table, Text

SCHEMA = 1
"""Written into the database as `PRAGMA user_version`; older ones are migrated, newer ones are refused."""

APPLICATION = 0x6E6B676C
"""Written into the database as `PRAGMA application_id` ("nkgl"), which tells a gallery from other SQLite files."""

TABLES = MetaData()

facts = Table(
    "facts",
    TABLES,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

labels = Table(
    "labels",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

images = Table(
    "images",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("source", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    sqlite_autoincrement=True,  # the id of an image that was purged is never given again
)

vectors = Table(
    "vectors",
    TABLES,
    Column("image", ForeignKey("images.id"), primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian
    Column("sum", Integer, nullable=False),  # CRC-32 of the vector
)

thumbnails = Table(
    "thumbnails",
    TABLES,
    Column("image", ForeignKey("images.id"), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

memberships = Table(
    "memberships",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("image", ForeignKey("images.id"), nullable=False),
    Column("label", ForeignKey("labels.id"), nullable=False, index=True),
    Column("opened", ForeignKey("revisions.number", deferrable=True, initially="DEFERRED"), nullable=False),
    Column("closed", ForeignKey("revisions.number", deferrable=True, initially="DEFERRED")),
)
Index("memberships_of_image", memberships.c.image)
Index(
    "one_label_an_image",
    memberships.c.image,
    unique=True,
    sqlite_where=memberships.c.closed.is_(None),
    postgresql_where=memberships.c.closed.is_(None),
)

revisions = Table(
    "revisions",
    TABLES,
    Column("number", Integer, primary_key=True),
    Column("time", Text, nullable=False),  # UTC, ISO 8601
    Column("action", Text, nullable=False),
    Column("added", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
    Column("relabelled", Integer, nullable=False),
    Column("enrolled", Integer, nullable=False),  # images after it
    Column("target", Integer),  # the revision that a rollback went back to
    Column("note", Text, nullable=False),
)

calibrations = Table(
    "calibrations",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("section", Text, nullable=False),  # JSON
    Column("opened", ForeignKey("revisions.number", deferrable=True, initially="DEFERRED"), nullable=False),
    Column("closed", ForeignKey("revisions.number", deferrable=True, initially="DEFERRED")),
)

erasures = Table(
    "erasures",
    TABLES,
    Column("revision", Integer, primary_key=True),  # a purge whose traces in files are not yet known to be gone
)


def open_at(table: FromClause, revision: int) -> ColumnElement[bool]:
    """Whether rows of `memberships` or `calibrations` were open right after `revision`."""
    return (table.c.opened <= revision) & (table.c.closed.is_(None) | (table.c.closed > revision))
