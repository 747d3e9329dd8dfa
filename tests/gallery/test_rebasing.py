"""A gallery of another model is built from the images themselves, beside the old one, with everything that differs named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from gallery.pictures import Turned, folder_of, picture
from nearkin.core import InputError
from nearkin.embedding.embedder import Embedder
from nearkin.gallery import Gallery


@pytest.fixture(autouse=True)
def turned_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second model is not one that a folder can hold: let the copy in the gallery be it."""
    load = Embedder.load.__func__  # type: ignore[attr-defined]

    def save(self: Embedder, folder: Path) -> Path:
        Path(folder).mkdir(parents=True)
        (Path(folder) / "turned").write_text("")
        return Path(folder)

    monkeypatch.setattr(Turned, "save", save)
    monkeypatch.setattr(Embedder, "load", classmethod(lambda cls, place, runner="auto": Turned() if (Path(place) / "turned").exists() else load(cls, place, runner)))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "photos", range(8), range(3), noise=60)


def test_every_image_is_known_again_by_its_content(photos: Path, tmp_path: Path) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", photos)
    gallery.relabel("kind 3", "drei")
    moved = tmp_path / "elsewhere" / "flat"
    moved.mkdir(parents=True)
    for number, path in enumerate(sorted(photos.rglob("*.png"))):
        shutil.copy(path, moved / f"renamed {number}.png")
    (moved / "renamed 0.png").unlink()
    Image.fromarray(picture(99, 0)).save(moved / "stranger.png")
    found = gallery.rebase(Turned(), moved)
    assert Path(found.folder) == tmp_path / "kin-turned"
    assert (found.moved, found.strangers, found.model) == (23, 1, "turned")
    assert [Path(source).name for _, source in found.missing] == ["0.png"]
    new = Gallery.open(found.folder)
    assert new.view().enrolled.names == gallery.view().enrolled.names
    assert sorted(new.view().hashes) == sorted(set(gallery.view().hashes) - {gallery.view().hashes[0]})
    assert new.view().calibration is None
    assert "from kin at revision 2" in new.history()[-1].note
    assert new.classify(picture(3, 9))[0].decision == "not calibrated"
    assert new.store.thumbnail(int(new.view().enrolled.ids[0]))


def test_photos_whose_answer_flips_are_named(photos: Path, tmp_path: Path) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", photos)
    found = gallery.rebase(Turned(), photos)
    assert found.probes == 24
    assert found.right_before is not None and found.right_after is not None
    wrong_now = [each for each in found.flips if each.before == each.label]
    right_now = [each for each in found.flips if each.after == each.label]
    assert found.right_after - found.right_before == len(right_now) - len(wrong_now)
    assert list(found.flips[: len(wrong_now)]) == wrong_now
    probes = folder_of(tmp_path / "probes", range(8), range(50, 54), noise=150)
    other = gallery.rebase(Turned(), photos, to=tmp_path / "third", probes=probes)
    assert other.probes == 32
    before = {answer.image: answer.candidates[0].label for answer in gallery.classify(probes)}
    after = {answer.image: answer.candidates[0].label for answer in Gallery.open(other.folder).classify(probes)}
    assert {each.image for each in other.flips} == {image for image in before if before[image] != after[image]}


def test_what_cannot_be_rebased_says_why_and_leaves_nothing(photos: Path, tmp_path: Path) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", photos)
    with pytest.raises(InputError, match="of this very model already"):
        gallery.rebase("descriptor", photos)
    with pytest.raises(InputError, match="none of the 1 images given is enrolled"):
        gallery.rebase(Turned(), picture(99, 0))
    with pytest.raises(InputError, match="is there already"):
        gallery.rebase(Turned(), photos, to=tmp_path / "photos")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["kin", "photos"]
