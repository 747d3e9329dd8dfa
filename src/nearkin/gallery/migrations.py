"""Galleries of older schemas are brought up to date, step by step, after a copy of their database was made."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import Connection

from nearkin.core import InputError
from nearkin.gallery.connecting import DATABASE, Database
from nearkin.gallery.schema import SCHEMA

Step = Callable[[Connection], None]

STEPS: Mapping[int, Step] = MappingProxyType({})
"""From each older schema to the next one."""

_COPY = "gallery-schema-{}.db"


def migrate(database: Database, found: int, *, steps: Mapping[int, Step] = STEPS, to: int = SCHEMA) -> None:
    """Bring a database of schema `found` to `to`: all steps in one transaction, after a copy.

    A kill leaves the old schema or the new one. The copy `gallery-schema-N.db` stays beside the database until it is
    deleted by hand, or by a purge, which must leave nothing.

    Errors:  InputError for a newer schema, and for an older one from which no steps lead here
    """
    if found == to:
        return
    if found > to:
        raise InputError(
            f"the gallery {database.folder} has schema {found}, this version of nearkin knows schemas up to {to}; "
            "use a newer nearkin"
        )
    missing = [number for number in range(found, to) if number not in steps]
    if missing:
        raise InputError(
            f"the gallery {database.folder} has schema {found}, from which this version of nearkin cannot migrate "
            f"(no step from {missing[0]}); build it anew from its images"
        )
    _copy(database, found)
    with database.writing() as connection:
        now = int(connection.exec_driver_sql("PRAGMA user_version").scalar() or 0)
        for number in range(now, to):  # another process may have been quicker
            steps[number](connection)
        connection.exec_driver_sql(f"PRAGMA user_version = {to}")


def copies(folder: Path) -> list[Path]:
    """The copies that migrations made, and what killed ones left of theirs."""
    return sorted(
        {*folder.glob(_COPY.format("*")), *folder.glob(f".{DATABASE}.*.part*"), *folder.glob(".gallery-*.part*")}
    )


def _copy(database: Database, found: int) -> None:
    place = database.folder / _COPY.format(found)
    part = place.with_name(f".{place.name}.part")
    part.unlink(missing_ok=True)
    with database.bare() as connection:
        copy = sqlite3.connect(part)
        try:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
        finally:
            copy.close()
    with part.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(part, place)
