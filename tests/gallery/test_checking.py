"""A check finds planted label errors and copies, and says nothing of a clean gallery."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gallery.pictures import folder_of, picture
from nearkin.gallery import Gallery, checking


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("photos"), range(10), range(6))


def test_a_clean_gallery_has_nothing_to_say(photos: Path, tmp_path: Path) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", photos)
    found = gallery.check()
    assert (found.images, found.looked_at) == (60, 60)
    assert found.suspects == found.twins == found.lone == found.faults == ()


def test_planted_label_errors_are_found_and_nothing_else(photos: Path, tmp_path: Path) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", photos)
    wrong = {int(number): f"kind {place + 5}" for place, number in enumerate(gallery.view().enrolled.ids[[0, 13, 26, 39]])}
    truth = {number: gallery.view().enrolled.labels[list(gallery.view().enrolled.ids).index(number)] for number in wrong}
    for number, label in wrong.items():
        gallery.relabel(number, label)
    suspects = gallery.check().suspects
    assert {each.id for each in suspects} == set(wrong)
    assert all((each.label, each.likely) == (wrong[each.id], truth[each.id]) for each in suspects)
    assert [each.probability for each in suspects] == sorted((each.probability for each in suspects), reverse=True)
    assert all(each.probability >= 0.7 > each.own for each in suspects)


def test_copies_in_another_format_are_found_those_under_two_labels_first(photos: Path, tmp_path: Path) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", photos)
    for name, folder in (("same", "kind 4"), ("other", "elsewhere")):
        place = tmp_path / name / folder
        place.mkdir(parents=True)
        kind = 4 if name == "same" else 5
        Image.fromarray(picture(kind, 2)).resize((48, 48)).save(place / "copy.jpg", quality=95)
        assert gallery.add(tmp_path / name).added == 1
    first, second = gallery.check().twins
    assert {first.first_label, first.second_label} == {"kind 5", "elsewhere"}
    assert {second.first_label, second.second_label} == {"kind 4"}
    assert second.second_source.endswith("copy.jpg")
    assert 0.98 < first.similarity <= 1


def test_classes_of_one_image_are_listed(photos: Path, tmp_path: Path) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", photos)
    gallery.add(picture(70, 0), label="lone")
    assert gallery.check().lone == ("lone",)
    alone, _ = Gallery.create_from(tmp_path / "one", picture(70, 0), label="lone")
    assert alone.check().lone == ("lone",)


def test_progress_is_told_and_parts_change_nothing(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", photos)
    gallery.relabel(7, "kind 9")
    whole, told = gallery.check(), list[tuple[int, int]]()
    monkeypatch.setattr(checking, "PART", 25)
    assert gallery.check(on_progress=lambda *at: told.append(at)) == whole
    assert len(whole.suspects) == 1
    assert told == [(25, 60), (50, 60), (60, 60)]


def test_damage_is_named(photos: Path, tmp_path: Path) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", photos)
    content = bytearray((gallery.folder / "gallery.db").read_bytes())
    vector = gallery.view().vectors[20].astype("<f4").tobytes()
    place = content.find(vector[:64])
    assert place > 0
    content[place + 8] ^= 0xFF
    (gallery.folder / "gallery.db").write_bytes(bytes(content))
    assert gallery.check().faults
    assert np.isfinite(gallery.view().vectors).all()
