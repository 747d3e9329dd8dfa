"""A gallery's store: what it takes, what it refuses, who may use it at once, and which damage it names."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import signal
import sqlite3
import tempfile
import time
import unicodedata
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from gallery.made import WIDTH, entry, expected, held, image_hash, store_in, vector
from nearkin.core import InputError, InputTypeError
from nearkin.decision import Space
from nearkin.gallery import DamagedGallery, Store


def test_what_was_added_is_there_for_whoever_opens_it(tmp_path):
    labels = {1: "cat", 2: "dog", 3: "cat"}
    change = store_in(tmp_path / "g").add([entry(number, label) for number, label in labels.items()], note="first")
    store = Store.open(tmp_path / "g")
    assert (change.revision, change.added, change.unchanged, change.conflicts) == (1, 3, 0, ())
    assert held(store) == expected(labels)
    now = store.enrolled()
    assert now.names == ("cat", "dog")
    assert now.labels.tolist() == ["cat", "dog", "cat"]
    np.testing.assert_array_equal(store.vectors(), [vector(number) for number in labels])
    assert store.thumbnail(int(now.ids[0])) == b"thumbnail 000001"
    assert store.details([2])[0].source == "photos/2.png"
    assert [(each.action, each.summary, each.note) for each in store.history()] == [
        ("create", "", ""),
        ("add", "3 added", "first"),
    ]
    assert store.check() == []


def test_the_same_image_again_changes_nothing(tmp_path):
    store = store_in(tmp_path / "g", {1: "cat", 2: "dog"})
    again = store.add([entry(1, "cat"), entry(2, "dog"), entry(2, "dog")])
    assert (again.revision, again.added, again.unchanged) == (1, 0, 3)
    assert len(store.history()) == 2


def test_a_class_is_new_if_no_image_bore_it_right_before(tmp_path):
    store = store_in(tmp_path / "g", {1: "cat", 2: "dog"})
    assert store.add([entry(3, "cat"), entry(4, "cow"), entry(5, "ant"), entry(6, "cow"), entry(2, "gnu")]).classes == ("ant", "cow")
    store.remove(label="cow")
    assert store.add([entry(4, "cow"), entry(5, "ant")]).classes == ("cow",)
    assert store.add([entry(4, "cow")]).classes == ()


def test_what_bears_the_label_already_is_not_relabelled(tmp_path):
    store = store_in(tmp_path / "g", {1: "cat", 2: "dog"})
    change = store.relabel([1, 2], "dog")
    assert (change.revision, change.relabelled, change.unchanged) == (2, 1, 1)
    assert store.relabel([1, 2], "dog").revision == 2


def test_the_same_image_under_another_label_is_reported_and_not_added(tmp_path):
    store = store_in(tmp_path / "g", {1: "cat"})
    change = store.add([entry(1, "dog"), entry(2, "dog"), entry(2, "cat")])
    assert [(each.hash, each.label, each.enrolled_as) for each in change.conflicts] == [
        (image_hash(1), "dog", "cat"),
        (image_hash(2), "cat", "dog"),
    ]
    assert held(store) == expected({1: "cat", 2: "dog"})


def test_an_image_that_comes_back_keeps_its_id_and_its_vector(tmp_path):
    store = store_in(tmp_path / "g", {1: "cat", 2: "cat"})
    store.remove([1])
    store.add([entry(1, "dog")])
    assert store.enrolled().ids.tolist() == [1, 2]
    assert store.enrolled().labels.tolist() == ["dog", "cat"]
    np.testing.assert_array_equal(store.vectors()[0], vector(1))


@pytest.mark.parametrize(
    "label", ["猫", "قطة", "кошка", "บแมว", "O'Brien", "1 OR 1=1", "%_", 'a "b" \\', "👩‍👧", "می‌خواهم", " cat"]
)
def test_labels_are_literal_in_any_script(tmp_path, label):
    store = store_in(tmp_path / "g", {1: label, 2: "other"})
    assert set(store.enrolled().names) == {label, "other"}
    store.remove(label=label)
    assert held(store) == expected({2: "other"})


def test_two_spellings_of_one_name_in_unicode_are_one_label(tmp_path):
    composed, split = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")
    store = store_in(tmp_path / "g", {1: composed})
    assert store.add([entry(1, split), entry(2, split)]).conflicts == ()
    assert store.enrolled().names == (composed,)
    assert store.remove(label=split).removed == 2


@pytest.mark.parametrize("label", ["", "  ", "a\nb", "a\x00b", "\x1b[31m", "\udcff", "a\u2028b", "x" * 501])
def test_labels_that_would_spoil_a_list_are_refused(tmp_path, label):
    store = store_in(tmp_path / "g")
    with pytest.raises(InputError, match="label"):
        store.add([entry(1), entry(2, label)])
    assert held(store) == {}


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"vector": np.full(WIDTH, np.nan, np.float32)}, InputError, "NaN"),
        ({"vector": np.full(WIDTH, np.inf, np.float32)}, InputError, "infinity"),
        ({"vector": np.zeros(WIDTH + 1, np.float32)}, InputError, r"this gallery holds \(8,\)"),
        ({"vector": np.zeros((1, WIDTH), np.float32)}, InputError, "shape"),
        ({"vector": np.zeros(WIDTH)}, InputTypeError, "float32, got float64"),
        ({"vector": [0.0] * WIDTH}, InputTypeError, "float32, got list"),
        ({"hash": "abc"}, InputError, "64 hexadecimal digits"),
        ({"thumbnail": "text"}, InputTypeError, "bytes"),
    ],
)
def test_entries_that_cannot_be_kept_are_refused_and_nothing_of_their_batch_is_added(tmp_path, wrong, error, words):
    store = store_in(tmp_path / "g")
    with pytest.raises(error, match=words):
        store.add([entry(1), type(entry(2))(**{**vars(entry(2)), **wrong})])
    assert store.revision() == 0
    assert held(store) == {}


def test_what_is_not_enrolled_is_not_removed_and_the_nearest_name_is_told(tmp_path):
    store = store_in(tmp_path / "g", {1: "tabby cat"})
    with pytest.raises(InputError, match="did you mean 'tabby cat'"):
        store.remove(label="taby cat")
    with pytest.raises(InputError, match="no image 7 and 1 more"):
        store.remove([1, 7, 8])
    with pytest.raises(InputError, match="one of ids, label and hashes"):
        store.remove([1], label="tabby cat")
    with pytest.raises(InputError, match="no image 9"):
        store.relabel([9], "dog")
    assert held(store) == expected({1: "tabby cat"})


def test_file_names_that_are_not_utf8_are_kept_readable(tmp_path):
    store = store_in(tmp_path / "g")
    store.add([entry(1, source=os.fsdecode(b"photos/\xff.png"))])
    assert store.details([1])[0].source == "photos/\\udcff.png"


def test_a_calibration_is_a_revision_and_old_answers_keep_theirs(tmp_path):
    store = store_in(tmp_path / "g", {1: "cat"})
    assert store.calibration() is None
    assert store.calibrate({"threshold": 0.25, "classes": ["cat"]}).revision == 2
    assert store.calibrate({"threshold": 0.25, "classes": ["cat"]}).revision == 2  # the same again changes nothing
    store.calibrate({"threshold": 0.5})
    assert [store.calibration(at) for at in (1, 2, 3)] == [
        None,
        {"threshold": 0.25, "classes": ["cat"]},
        {"threshold": 0.5},
    ]
    store.calibrate(None)
    assert store.calibration() is None


def test_reading_does_not_change(tmp_path):
    store_in(tmp_path / "g", {1: "cat"})
    with pytest.raises(InputError, match="opened for reading"):
        Store.open(tmp_path / "g").remove(label="cat")


def _add_many(folder: Path, first: int) -> None:
    store = Store.open(folder, write=True)
    for number in range(first, first + 15):
        store.add([entry(number, "a"), entry(number + 500, "b")])


def test_two_writers_and_a_reader_at_once(tmp_path):
    """Writers wait for one another; the reader sees whole changes only, and never an earlier revision than before."""
    store = store_in(tmp_path / "g")
    processes = multiprocessing.get_context("fork")
    writers = [processes.Process(target=_add_many, args=(tmp_path / "g", first)) for first in (1, 100)]
    for writer in writers:
        writer.start()
    reader, seen = Store.open(tmp_path / "g"), [0]
    while any(writer.is_alive() for writer in writers):
        snapshot = reader.snapshot()
        assert len(snapshot.enrolled) == 2 * snapshot.enrolled.revision == len(snapshot.rows)
        assert snapshot.enrolled.revision >= seen[-1]
        seen.append(snapshot.enrolled.revision)
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len(store.enrolled()) == 60
    assert len(set(seen)) > 2
    assert store.check() == []


def test_a_second_writer_that_waited_too_long_is_told(tmp_path):
    store = store_in(tmp_path / "g", wait=0.1)
    with closing(sqlite3.connect(tmp_path / "g" / "gallery.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TimeoutError, match=r"another process is changing this gallery, and 0\.1 s"):
            store.add([entry(1)])
    assert store.add([entry(1)]).added == 1


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers that interrupt")
def test_a_writer_that_waits_hears_ctrl_c(tmp_path):
    store = store_in(tmp_path / "g", wait=30)
    old = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with closing(sqlite3.connect(tmp_path / "g" / "gallery.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(KeyboardInterrupt):
                store.add([entry(1)])
            assert time.monotonic() - began < 15
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert store.add([entry(1)]).added == 1


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become somebody who may not write")
def test_a_folder_that_cannot_be_written_is_read():
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        folder = Path(place) / "g"
        store_in(folder, {1: "cat", 2: "dog"})
        Path(place).chmod(0o755)
        assert held(Store.open(folder)) == expected({1: "cat", 2: "dog"})
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            store = Store.open(folder)
            right = (
                held(store) == expected({1: "cat", 2: "dog"})
                and store.vectors().shape == (2, WIDTH)
                and not store.check()
            )
            os._exit(0 if right else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert not (folder / "cache").exists()


def test_a_folder_that_cannot_be_written_is_read_unless_its_log_holds_changes(tmp_path, monkeypatch):
    """The same without becoming somebody else: SQLite cannot make the files beside the database that it wants."""
    store_in(tmp_path / "g", {1: "cat", 2: "dog"})
    connect = sqlite3.connect

    def refusing(place: str, **words: object) -> sqlite3.Connection:
        return connect(place if "immutable" in place else "file:/no/such/folder/x?mode=ro", **words)

    monkeypatch.setattr("nearkin.gallery.connecting.sqlite3.connect", refusing)
    assert held(Store.open(tmp_path / "g")) == expected({1: "cat", 2: "dog"})
    (tmp_path / "g" / "gallery.db-wal").write_bytes(b"changes that are not folded in")
    with pytest.raises(OSError, match="can only be read where the folder can be written"):
        Store.open(tmp_path / "g")


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path):
    """A limit on the size of files stands for the disk: SQLite gets a short write in either case."""
    store = store_in(tmp_path / "g", {number: "cat" for number in range(50)})
    before, limits = held(store), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(OSError, match="nothing (of this change )?was kept") as told:
            store.add([entry(number, "dog", thumbnail=bytes(4000)) for number in range(100, 300)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(tmp_path) in str(told.value)
    assert held(Store.open(tmp_path / "g")) == before
    assert store.check() == []
    assert store.add([entry(100, "dog")]).added == 1


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _scribble(path: Path) -> None:
    path.write_bytes(b"this is no database" * 500)


def _foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE revisions (number)")
        other.commit()


def _another_gallery(path: Path) -> None:
    store_in(path.parent.parent / "other", {1: "cat"})
    shutil.copy(path.parent.parent / "other" / path.name, path)


def _lose_rows(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("DELETE FROM memberships WHERE id % 2 = 0")
        other.commit()


def _lose_a_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE thumbnails")
        other.commit()


@pytest.mark.parametrize("file", ["gallery.db", "gallery.json"])
@pytest.mark.parametrize("damage", [_empty, _cut, _scribble, Path.unlink, _another_gallery])
def test_damaged_files_are_named_and_never_an_empty_gallery(tmp_path, file, damage):
    store_in(tmp_path / "g", {number: f"label {number}" for number in range(300)})
    damage(tmp_path / "g" / file)
    for write in (False, True):
        with pytest.raises(DamagedGallery, match=r"gallery\.(db|json)"):
            Store.open(tmp_path / "g", write=write)


@pytest.mark.parametrize("damage", [_foreign, _lose_rows, _lose_a_table])
def test_a_database_that_does_not_add_up_is_named(tmp_path, damage):
    store_in(tmp_path / "g", {number: "cat" for number in range(10)})
    damage(tmp_path / "g" / "gallery.db")
    with pytest.raises(DamagedGallery, match=r"gallery\.db .*put back a copy"):
        Store.open(tmp_path / "g")


def test_a_damaged_vector_is_found_by_check_and_never_searched(tmp_path):
    store = store_in(tmp_path / "g", {1: "cat", 2: "dog"})
    with closing(sqlite3.connect(tmp_path / "g" / "gallery.db")) as other:
        other.execute("UPDATE vectors SET vector = zeroblob(32) WHERE image = 2")
        other.commit()
    assert store.check() == ["the vector of image 2 is damaged; purge that image and add it again"]
    with pytest.raises(DamagedGallery, match="vector of image 2"):
        store.vectors()


def test_no_folder_a_plain_folder_and_a_gallery_that_is_there(tmp_path):
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match="nearkin gallery create"):
            Store.open(folder)
    store_in(tmp_path / "g", {1: "cat"})
    with pytest.raises(InputError, match="already"):
        store_in(tmp_path / "g")
    (tmp_path / "g" / "gallery.json").unlink()
    with pytest.raises(DamagedGallery, match=r"whose gallery\.json is missing"):
        store_in(tmp_path / "g")
    assert (tmp_path / "g" / "gallery.db").stat().st_size > 0


def test_a_creation_that_was_killed_is_made_again(tmp_path):
    store_in(tmp_path / "g")
    (tmp_path / "g" / "gallery.json").unlink()
    assert held(store_in(tmp_path / "g", {1: "cat"})) == expected({1: "cat"})
    (tmp_path / "h").mkdir()
    (tmp_path / "h" / "gallery.db").write_bytes(b"")
    assert held(store_in(tmp_path / "h")) == {}


def test_facts_that_are_not_those_of_a_gallery_are_named(tmp_path):
    store_in(tmp_path / "g")
    path = tmp_path / "g" / "gallery.json"
    said = json.loads(path.read_text())
    for wrong in ({}, {**said, "more": 1}, {key: value for key, value in said.items() if key != "space"}):
        path.write_text(json.dumps(wrong))
        with pytest.raises(DamagedGallery, match=r"gallery\.json is damaged \(its entries are not those of a gallery, see '"):
            Store.open(tmp_path / "g")


def test_facts_of_a_newer_format_are_refused_with_their_reason(tmp_path):
    store_in(tmp_path / "g")
    path = tmp_path / "g" / "gallery.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    with pytest.raises(InputError, match="format 2, this version of nearkin reads up to 1"):
        Store.open(tmp_path / "g")


def test_the_space_and_the_model_are_remembered(tmp_path):
    Store.create(tmp_path / "g", dimension=3, space=Space("relative-mahalanobis", {"power": 1}), fingerprint="abc")
    facts = Store.open(tmp_path / "g").facts
    assert (facts.dimension, facts.fingerprint) == (3, "abc")
    assert Space.from_section(facts.space) == Space("relative-mahalanobis", {"power": 1})
