"""Enrolling keeps one batch in memory, however many photos there are, and is all or nothing whatever happens."""

from __future__ import annotations

import errno
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gallery.made import entry, held
from gallery.pictures import folder_of, picture
from nearkin.gallery import Gallery, Store
from nearkin.gallery.reading import BATCH
from nearkin.gallery.staging import Staged


def test_entries_come_back_as_they_went_in_in_any_order_and_leave_no_file(tmp_path: Path) -> None:
    given = [entry(number, label) for number, label in enumerate(["cat", "ü\u202e🦊", "a/b"])]
    given.append(entry(7, "cat", thumbnail=b"", source="not utf-8 \udcff.png"))
    with Staged(tmp_path / "not" / "yet" / "there") as staged:
        for each in given:
            staged.append(each)
        assert list(tmp_path.iterdir()) == []
        for order in (None, [3, 1, 0, 2]):
            for back, each in zip(staged.entries(order), [given[at] for at in order or range(4)], strict=True):
                assert back.vector.dtype == np.float32
                np.testing.assert_array_equal(back.vector, each.vector)
                for field in ("hash", "label", "thumbnail", "source", "width", "height"):
                    assert getattr(back, field) == getattr(each, field)


def test_memory_does_not_grow_with_the_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = Gallery.create(tmp_path / "kin")
    blank = np.zeros((4, 4, 3), np.uint8)
    taken: list[int] = []

    class Wide:
        """Rows of half a megabyte, so that a few hundred would be noticed."""

        def embed(self, images: list[np.ndarray]) -> np.ndarray:
            taken.append(tracemalloc.get_traced_memory()[0])
            return np.zeros((len(images), 1 << 17), np.float32)

    monkeypatch.setattr(Gallery, "embedder", Wide())
    monkeypatch.setattr(
        gallery.store,
        "add",
        lambda entries, note: [taken.append(tracemalloc.get_traced_memory()[0]) for _ in entries] and None,
    )
    tracemalloc.start()
    try:
        with pytest.raises(AttributeError):  # what is asked of the change that was not made
            gallery.add([blank + np.uint8(number) for number in range(4 * BATCH)], label="wide")
    finally:
        tracemalloc.stop()
    assert len(taken) == 4 + 4 * BATCH
    assert max(taken) < 2 * BATCH * (4 << 17)


def test_an_error_in_the_middle_enrols_nothing_and_leaves_no_file(tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "photos", range(3), range(50))
    (photos / "kind 2" / "99.png").write_bytes(b"no image")
    gallery = Gallery.create(tmp_path / "kin")
    before = sorted(place.name for place in gallery.folder.rglob("*"))
    with pytest.raises(ValueError, match="1 of 151 images cannot be read"):
        gallery.add(photos)
    assert gallery.store.revision() == 0
    assert sorted(place.name for place in gallery.folder.rglob("*")) == before


def test_others_change_the_gallery_while_photos_are_embedded(tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "kin")
    other = Store.open(gallery.folder, write=True, wait=0)
    changed: list[int] = []
    photos = [picture(0, number) for number in range(2 * BATCH)]
    wide = np.ones(gallery.embedder.dimension, np.float32)

    def meanwhile(done: int, count: int) -> None:
        changed.append(other.add([replace(entry(done, "other"), vector=wide)]).revision)

    added = gallery.add(photos, label="kind", on_progress=meanwhile)
    assert (added.revision, added.classes) == (3, 1)  # not the class that others added
    assert changed == [1, 2]
    assert len(held(other)) == 2 * BATCH + 2


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "no room is left on the disk"), (errno.EROFS, "cannot be written to")]
)
def test_a_disk_that_takes_nothing_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    gallery = Gallery.create(tmp_path / "kin")

    def refused(*_: object, **__: object) -> None:
        raise OSError(number, "the system's word")

    monkeypatch.setattr("nearkin.gallery.staging.tempfile.TemporaryFile", refused)
    with pytest.raises(OSError, match=said) as told:
        gallery.add(picture(0, 0), label="kind")
    assert told.value.filename == str(gallery.folder)
    assert gallery.store.revision() == 0


def test_the_room_that_embedded_images_need_is_missed_before_anything_is_enrolled(small_disk: Path) -> None:
    gallery = Gallery.create(small_disk / "kin")
    noise = np.random.default_rng(0)
    photos = small_disk.parent / "photos" / "noise"
    photos.mkdir(parents=True)
    for number in range(200):
        Image.fromarray(noise.integers(0, 256, (128, 128, 3), dtype=np.uint8)).save(photos / f"{number}.png")
    with pytest.raises(OSError, match="no room is left on the disk") as told:
        gallery.add(photos.parent)
    assert told.value.errno == errno.ENOSPC
    assert (gallery.store.revision(), gallery.store.check()) == (0, [])
    assert gallery.add([noise.integers(0, 256, (9, 9, 3), dtype=np.uint8)], label="small").added == 1
