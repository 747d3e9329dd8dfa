"""Galleries of every schema ever written are opened; newer ones are refused; a migration happens whole, after a copy."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gallery.made import expected, held, image_hash, store_in, vector
from nearkin.core import InputError
from nearkin.gallery import Store, migrations, schema
from nearkin.gallery.connecting import Database

COMPAT = Path(__file__).parents[1] / "compat"


def version(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "gallery.db")) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


def test_the_smallest_gallery_of_every_schema_is_kept():
    """Written by the first release that had the schema: see `tests/compat/gallery-1/README.md`."""
    assert [version(COMPAT / f"gallery-{number}") for number in range(1, schema.SCHEMA + 1)] == list(
        range(1, schema.SCHEMA + 1)
    )


@pytest.mark.parametrize("number", range(1, schema.SCHEMA + 1))
def test_galleries_of_every_schema_are_opened(tmp_path, number):
    shutil.copytree(COMPAT / f"gallery-{number}", tmp_path / "g")
    store = Store.open(tmp_path / "g", write=True)
    assert held(store) == {image_hash(1): "cat", image_hash(2): "猫", image_hash(3): "cat"}
    assert held(store, 1) == expected({1: "cat", 2: "dog"})
    assert store.calibration() == {"threshold": 0.5}
    assert store.thumbnail(1) == b"thumbnail 000001"
    assert store.vectors().tolist() == [vector(each).tolist() for each in (1, 2, 3)]
    assert store.check() == []
    assert store.remove([3]).revision == 5


def test_a_newer_schema_is_refused_with_its_reason(tmp_path):
    store_in(tmp_path / "g", {1: "cat"})
    with closing(sqlite3.connect(tmp_path / "g" / "gallery.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(
        InputError, match=rf"schema 99, this version of nearkin knows schemas up to {schema.SCHEMA}; use a newer"
    ):
        Store.open(tmp_path / "g")


def _add_a_column(connection: object) -> None:
    connection.exec_driver_sql("ALTER TABLE images ADD COLUMN camera TEXT")


def _fill_it(connection: object) -> None:
    connection.exec_driver_sql("UPDATE images SET camera = 'none'")


def _fail(connection: object) -> None:
    raise KeyboardInterrupt


def migrate(folder: Path, *steps: object) -> None:
    numbered = dict(enumerate(steps, schema.SCHEMA))
    migrations.migrate(Database(folder), version(folder), steps=numbered, to=schema.SCHEMA + len(steps))


def test_steps_are_taken_in_order_after_a_copy_was_made(tmp_path):
    store_in(tmp_path / "g", {1: "cat"})
    migrate(tmp_path / "g", _add_a_column, _fill_it)
    with closing(sqlite3.connect(tmp_path / "g" / "gallery.db")) as connection:
        assert connection.execute("SELECT camera FROM images").fetchall() == [("none",)]
    assert version(tmp_path / "g") == schema.SCHEMA + 2
    (tmp_path / "g" / f"gallery-schema-{schema.SCHEMA}.db").replace(tmp_path / "g" / "gallery.db")
    assert held(Store.open(tmp_path / "g")) == expected({1: "cat"})  # the copy is a whole gallery


def test_a_migration_that_fails_leaves_the_old_schema(tmp_path):
    store_in(tmp_path / "g", {1: "cat"})
    with pytest.raises(KeyboardInterrupt):
        migrate(tmp_path / "g", _add_a_column, _fail)
    assert held(Store.open(tmp_path / "g")) == expected({1: "cat"})
    migrate(tmp_path / "g", _add_a_column, _fill_it)
    assert version(tmp_path / "g") == schema.SCHEMA + 2


def test_a_second_process_finds_the_migration_done(tmp_path):
    store_in(tmp_path / "g", {1: "cat"})
    found = version(tmp_path / "g")
    migrate(tmp_path / "g", _add_a_column)
    migrations.migrate(Database(tmp_path / "g"), found, steps={schema.SCHEMA: _add_a_column}, to=schema.SCHEMA + 1)
    assert version(tmp_path / "g") == schema.SCHEMA + 1


def test_an_older_schema_without_steps_is_refused(tmp_path):
    store_in(tmp_path / "g", {1: "cat"})
    with closing(sqlite3.connect(tmp_path / "g" / "gallery.db")) as connection:
        connection.execute("PRAGMA user_version = 0")
    with pytest.raises(InputError, match=r"schema 0, from which .* cannot migrate"):
        Store.open(tmp_path / "g")
