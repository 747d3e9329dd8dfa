"""Making an empty gallery, and looking at one before it is opened."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select

from nearkin.core import InputError
from nearkin.gallery.connecting import DATABASE, DamagedGallery, Database
from nearkin.gallery.enrolled import count_open
from nearkin.gallery.facts import FILE, Facts, facts_as_text, facts_from_text, now, write_facts
from nearkin.gallery.revisions import current
from nearkin.gallery.schema import APPLICATION, SCHEMA, TABLES, facts, revisions

_LEFT_OVERS = ("", "-wal", "-shm", "-journal")


def make(folder: Path, made: Facts) -> None:
    """Make an empty gallery. `gallery.json` comes last: a kill leaves a folder that is no gallery, to be made again.

    Errors:  InputError where there is a gallery already, or where the file system cannot hold one
    """
    if (folder / FILE).exists():
        raise InputError(f"there is a gallery in {folder} already; open it, or choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{DATABASE}.{secrets.token_hex(8)}.part"
    try:
        _fill(folder, part, made)
        _put(part, folder / DATABASE)
    finally:
        for end in _LEFT_OVERS:
            part.with_name(part.name + end).unlink(missing_ok=True)
    write_facts(folder, made)


def _fill(folder: Path, part: Path, made: Facts) -> None:
    part.touch()
    database = Database(folder)
    database.path = part
    with database.bare() as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
        if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise InputError(f"the file system of {folder} cannot hold a gallery (no shared memory for SQLite's log)")
    with database.writing() as change:
        TABLES.create_all(change)
        change.execute(insert(facts).values(key="gallery", value=facts_as_text(made)))
        start = {"number": 0, "time": now(), "action": "create", "note": ""}
        change.execute(insert(revisions).values(**start, added=0, removed=0, relabelled=0, enrolled=0))


def _put(part: Path, path: Path) -> None:
    """Give the finished database its name; one that was left by a kill and holds nothing makes way."""
    if path.exists():
        try:
            with Database(path.parent).reading() as connection:
                empty = current(connection) <= 0
        except InputError:
            empty = path.stat().st_size == 0
        if not empty:
            raise DamagedGallery(
                f"{path} holds a gallery whose {FILE} is missing; put that file back, or choose another folder"
            )
        for end in _LEFT_OVERS:
            path.with_name(path.name + end).unlink(missing_ok=True)
    os.replace(part, path)


def schema_of(database: Database) -> int:
    """The schema version that the database bears.

    Errors:  DamagedGallery where it is missing, empty, cut off or another program's
    """
    path = database.path
    if not path.is_file():
        raise DamagedGallery(f"{database.folder} has no {DATABASE}; put back a copy of the gallery")
    if path.stat().st_size == 0:
        raise DamagedGallery(f"{path} is empty, so it lost what was enrolled; put back a copy of the gallery")
    with database.reading() as connection:
        application = connection.exec_driver_sql("PRAGMA application_id").scalar()
        if application != APPLICATION:
            raise DamagedGallery(f"{path} is the database of another program; put back a copy of the gallery")
        return int(connection.exec_driver_sql("PRAGMA user_version").scalar() or 0)


def refuse_if_wrong(connection: Connection, folder: Path, said: Facts) -> None:
    """Cheap checks of every opening; `Store.check` makes the thorough ones.

    Errors:  DamagedGallery where tables are missing, another gallery's database lies here, or images are lost
    """
    missing = set(TABLES.tables) - set(inspect(connection).get_table_names())
    if missing:
        raise DamagedGallery(f"{folder / DATABASE} lacks the table {min(missing)}; put back a copy of the gallery")
    text = connection.scalar(select(facts.c.value).where(facts.c.key == "gallery"))
    if text is None or facts_from_text(text) != said:
        raise DamagedGallery(
            f"{folder / FILE} and {folder / DATABASE} belong to different galleries; put back the files of one"
        )
    last = current(connection)
    promised = connection.scalar(select(revisions.c.enrolled).where(revisions.c.number == last))
    if promised is None or promised != count_open(connection):
        raise DamagedGallery(
            f"{folder / DATABASE} holds {count_open(connection):,} enrolled images where revision {last} left "
            f"{promised if promised is not None else 'no'}; put back a copy of the gallery"
        )
