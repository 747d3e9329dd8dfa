"""The file of vectors is derived: appended to, made out of the old one, made anew where it is missing or damaged."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest

from gallery.made import WIDTH, entry, store_in, vector
from nearkin.gallery import Store


def files(folder: Path) -> list[Path]:
    return sorted((folder / "cache").glob("vectors-*.f32"))


def rows(*numbers: int) -> np.ndarray:
    return np.array([vector(number) for number in numbers]).reshape(-1, WIDTH)


def test_added_images_are_appended_and_earlier_revisions_are_its_beginning(tmp_path):
    store = store_in(tmp_path / "g", {1: "cat", 2: "dog"})
    first = store.vectors()
    (file,) = files(tmp_path / "g")
    store.add([entry(3)])
    np.testing.assert_array_equal(store.vectors(), rows(1, 2, 3))
    assert files(tmp_path / "g") == [file]
    assert file.stat().st_size == 3 * WIDTH * 4
    np.testing.assert_array_equal(first, rows(1, 2))  # what was mapped before is untouched
    earlier = Store.open(tmp_path / "g").vectors(1)
    assert isinstance(earlier, np.memmap)
    np.testing.assert_array_equal(earlier, rows(1, 2))


def test_a_removal_makes_a_new_file_and_readers_keep_what_they_have(tmp_path):
    store = store_in(tmp_path / "g", {number: "cat" for number in range(1, 6)})
    before, old = store.vectors(), files(tmp_path / "g")
    store.remove([2])
    np.testing.assert_array_equal(store.vectors(), rows(1, 3, 4, 5))
    np.testing.assert_array_equal(before, rows(1, 2, 3, 4, 5))
    assert len(files(tmp_path / "g")) == 1
    assert files(tmp_path / "g") != old
    np.testing.assert_array_equal(store.vectors(1), rows(1, 2, 3, 4, 5))
    store.add([entry(2), entry(6)])
    np.testing.assert_array_equal(store.vectors(), rows(1, 2, 3, 4, 5, 6))


def test_after_a_rollback_other_images_are_never_written_where_a_reader_looks(tmp_path):
    store = store_in(tmp_path / "g", {1: "cat"})
    store.add([entry(2)])
    before = Store.open(tmp_path / "g").vectors()
    store.rollback(1)
    store.add([entry(3)])
    np.testing.assert_array_equal(store.vectors(), rows(1, 3))
    np.testing.assert_array_equal(before, rows(1, 2))


@pytest.mark.parametrize("damage", ["vectors", "ids", "short", "record", "other gallery", "missing", "not json"])
def test_a_damaged_file_is_made_anew(tmp_path, damage):
    store_in(tmp_path / "g", {1: "cat", 2: "dog"}).vectors()
    (file,), record = files(tmp_path / "g"), tmp_path / "g" / "cache" / "vectors.json"
    said = json.loads(record.read_text())
    if damage == "vectors":
        file.write_bytes(b"\1" + file.read_bytes()[1:])
    elif damage == "ids":
        file.with_suffix(".ids").write_bytes(np.array([2, 3]).tobytes())
    elif damage == "short":
        os.truncate(file, 10)
    elif damage == "record":
        record.write_text(json.dumps({**said, "rows": 1}))
    elif damage == "other gallery":
        record.write_text(json.dumps({**said, "gallery": "0" * 32}))
    elif damage == "missing":
        file.unlink()
    else:
        record.write_text("{")
    np.testing.assert_array_equal(Store.open(tmp_path / "g").vectors(), rows(1, 2))
    assert len(files(tmp_path / "g")) == 1
    assert files(tmp_path / "g") != [file]


def test_what_a_killed_process_appended_is_overwritten(tmp_path):
    store = store_in(tmp_path / "g", {1: "cat"})
    store.vectors()
    for file in (tmp_path / "g" / "cache").glob("vectors-*"):
        with file.open("ab") as end:
            end.write(b"half a vector")
    store.add([entry(2)])
    np.testing.assert_array_equal(store.vectors(), rows(1, 2))


def test_an_empty_gallery_has_vectors_of_its_width(tmp_path):
    store = store_in(tmp_path / "g")
    assert store.vectors().shape == (0, WIDTH)
    store.add([entry(1)])
    store.remove([1])
    assert store.vectors().shape == (0, WIDTH)
    assert store.search(rows(1), 2).places.tolist() == [[-1, -1]]


def test_where_the_cache_cannot_be_written_vectors_are_read_into_memory(tmp_path):
    store = store_in(tmp_path / "g", {1: "cat"})
    (tmp_path / "g" / "cache").write_text("a file in the way")
    np.testing.assert_array_equal(store.vectors(), rows(1))


def _read(folder: Path) -> None:
    np.testing.assert_array_equal(Store.open(folder).vectors(), rows(*range(1, 200)))


def test_processes_that_make_the_file_at_once_all_get_it(tmp_path):
    store_in(tmp_path / "g", {number: "cat" for number in range(1, 200)})
    readers = [multiprocessing.get_context("fork").Process(target=_read, args=(tmp_path / "g",)) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert [reader.exitcode for reader in readers] == [0] * 4
    assert len(files(tmp_path / "g")) == 1


def test_a_snapshot_is_kept_until_a_change(tmp_path):
    store = store_in(tmp_path / "g", {1: "cat"})
    before = store.snapshot()
    assert store.snapshot() is before
    Store.open(tmp_path / "g", write=True).add([entry(2)])
    assert len(store.snapshot().enrolled) == 2
    assert store.search(rows(2), 1).distances.tolist() == [[0.0]]
