"""What is purged is in no byte of any file, and an interrupted purge is finished by whoever writes next."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from gallery.made import entry, held, image_hash, store_in, vector
from nearkin.core import InputError
from nearkin.gallery import DamagedGallery, Enrolled, Store, migrations, purging

NAME = "Zoë Żółć"  # composed and split spellings differ


def holding(folder: Path, needle: bytes) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]


def needles(number: int) -> list[bytes]:
    return [
        image_hash(number).encode(),
        vector(number).tobytes(),
        f"thumbnail {number:06d}".encode(),
        f"{number}.jpg".encode(),
    ]


def full(folder: Path) -> Store:
    """A gallery with a history, whose log, free pages, cache, copies and notes name what is purged."""
    store = store_in(folder)
    secret = [entry(number, NAME, source=f"photos/{NAME}/{number}.jpg") for number in range(100, 160)]
    store.add(secret, note=f"the photos of {NAME}")
    store.add([entry(number, f"label {number % 7}") for number in range(60)], note="the others")
    store.calibrate({"threshold": 0.5, "classes": [NAME, "label 1"], "counts": {NAME: 60, "label 1": 9}})
    store.vectors()
    store.remove(hashes=[image_hash(number) for number in range(100, 120)], note=f"fewer of {NAME}")
    store.relabel(hashes=[image_hash(159)], to="label 1")
    store.rollback(3)
    store.relabel(hashes=[image_hash(159)], to="label 1")
    store.vectors()
    migrations._copy(store._database, 0)
    (folder / ".gallery.db.0123.part").write_bytes(NAME.encode())
    return store


def gone(folder: Path) -> bool:
    return not holding(folder, NAME.encode()) and not any(
        holding(folder, needle) for number in range(100, 159) for needle in needles(number)
    )


def test_a_purged_label_is_in_no_byte_of_any_file(tmp_path):
    store = full(tmp_path / "g")
    assert len(holding(tmp_path / "g", NAME.encode())) >= 3  # database, copy, what a killed process left
    assert holding(tmp_path / "g", vector(101).tobytes())
    done = store.purge(label=NAME)
    assert gone(tmp_path / "g")
    assert (done.images, done.labels, done.notes) == (59, 1, 2)
    assert store.check() == []
    assert NAME not in store.enrolled(3).names
    assert len(store.enrolled(1)) == 0
    assert store.calibration() == {"threshold": 0.5, "classes": ["label 1"], "counts": {"label 1": 9}}
    assert [each.note for each in store.history()][:3] == ["", "", "the others"]


def test_what_another_program_left_in_free_pages_goes_too(tmp_path):
    store = full(tmp_path / "g")
    with closing(sqlite3.connect(tmp_path / "g" / "gallery.db")) as other:
        other.execute("PRAGMA secure_delete = OFF")
        other.execute("INSERT INTO facts VALUES ('left', ?)", [NAME * 10_000])
        other.commit()
        other.execute("DELETE FROM facts WHERE key = 'left'")
        other.commit()
    store.purge(label=NAME)
    assert gone(tmp_path / "g")


def test_an_image_with_another_label_now_stays_and_forgets_that_it_bore_the_purged_one(tmp_path):
    store = full(tmp_path / "g")
    store.purge(label=NAME)
    assert held(store)[image_hash(159)] == "label 1"
    image = next(each for each in store.details(store.enrolled().ids.tolist()) if each.hash == image_hash(159))
    assert image.source == "photos/(erased)/159.jpg"
    assert image_hash(159) not in held(store, 3)


def test_a_purged_image_is_in_no_byte_of_any_file_and_others_stay(tmp_path):
    store = full(tmp_path / "g")
    before = held(store)
    done = store.purge(hash=image_hash(150))
    assert (done.images, done.labels) == (1, 0)
    assert not any(holding(tmp_path / "g", needle) for needle in needles(150))
    assert held(store) == {key: label for key, label in before.items() if key != image_hash(150)}
    assert len(store.vectors()) == len(before) - 1
    assert store.check() == []


def test_a_label_that_only_the_purged_image_bore_goes_with_it(tmp_path):
    store = store_in(tmp_path / "g", {1: NAME, 2: "cat"})
    assert store.purge(hash=image_hash(1)).labels == 1
    assert not holding(tmp_path / "g", NAME.encode())


@pytest.mark.parametrize("moment", ["caching.clear", "copies", "Database.bare"])
def test_a_purge_that_was_cut_short_is_finished_by_the_next_writer(tmp_path, monkeypatch, moment):
    store = full(tmp_path / "g")
    with monkeypatch.context() as patch:

        def dies(*_: object) -> None:
            raise KeyboardInterrupt

        place = "nearkin.gallery.connecting" if moment == "Database.bare" else "nearkin.gallery.purging"
        patch.setattr(f"{place}.{moment}", dies)
        with pytest.raises(KeyboardInterrupt):
            store.purge(label=NAME)
    reader = Store.open(tmp_path / "g")
    assert NAME not in reader.enrolled().names  # the rows are gone at once
    assert holding(tmp_path / "g", NAME.encode()) or moment == "Database.bare"  # the traces are not
    assert reader.check() == ["a purge was cut short: its traces are wiped when the gallery is next opened for writing"]
    Store.open(tmp_path / "g", write=True)
    assert gone(tmp_path / "g")
    assert reader.check() == []


def test_a_purge_is_not_acknowledged_while_a_reader_keeps_the_log(tmp_path):
    store = store_in(tmp_path / "g", {1: NAME, 2: "cat"}, wait=0.1)
    with closing(sqlite3.connect(tmp_path / "g" / "gallery.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM labels").fetchone()
        with pytest.raises(TimeoutError, match="a reader keeps the log in use"):
            store.purge(label=NAME)
    Store.open(tmp_path / "g", write=True)
    assert not holding(tmp_path / "g", NAME.encode())


def test_a_reader_that_a_purge_overtakes_sees_what_is_left_and_puts_nothing_back(tmp_path, monkeypatch):
    store = full(tmp_path / "g")
    reader = Store.open(tmp_path / "g")
    (tmp_path / "g" / "cache" / "vectors.json").unlink()
    look, overtaken = reader._searcher._matrix.of, []

    def overtaking(enrolled: Enrolled, *, keep: bool) -> np.ndarray:
        if not overtaken:
            overtaken.append(store.purge(label=NAME))
        return look(enrolled, keep=keep)

    monkeypatch.setattr(reader._searcher._matrix, "of", overtaking)
    assert NAME not in reader.snapshot().enrolled.names
    assert len(reader.vectors()) == len(store.enrolled())
    assert gone(tmp_path / "g")


def test_a_file_of_vectors_that_a_purge_overtakes_while_it_is_written_is_never_kept(tmp_path, monkeypatch):
    store = full(tmp_path / "g")
    reader = Store.open(tmp_path / "g")
    (tmp_path / "g" / "cache" / "vectors.json").unlink()
    matrix = reader._searcher._matrix
    write = matrix._written

    def overtaken(*given: object) -> object:
        record = write(*given)
        with store._database.writing() as connection:
            purging._forget(connection, NAME, None)  # the first half of a purge, by a process that is killed then
        return record

    with monkeypatch.context() as patch:
        patch.setattr(matrix, "_written", overtaken)
        with pytest.raises(DamagedGallery, match="missing"):
            matrix.of(reader.enrolled(), keep=True)
    assert list((tmp_path / "g" / "cache").glob("vectors*")) == []
    assert len(reader.vectors()) == len(store.enrolled())


def test_what_no_revision_knows_cannot_be_purged(tmp_path):
    store = store_in(tmp_path / "g", {1: "cat"})
    with pytest.raises(InputError, match="no revision of this gallery knows a label 'dog'"):
        store.purge(label="dog")
    with pytest.raises(InputError, match="knows an image"):
        store.purge(hash=image_hash(2))
    with pytest.raises(InputError, match="either a label or the hash"):
        store.purge()
    assert store.revision() == 1
