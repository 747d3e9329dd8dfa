"""A gallery from its making to its answers: what is enrolled is found, every change is whole, and mistakes are named."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gallery.pictures import Turned, folder_of, picture, trained
from nearkin.core import InputError
from nearkin.data.opening import image_hash
from nearkin.gallery import DamagedGallery, File, Gallery, Label


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("photos")
    folder_of(place / "known", range(12), range(4))
    folder_of(place / "new", range(12), range(10, 12))
    folder_of(place / "unknown", range(100, 130), range(3))
    return place


@pytest.fixture(scope="module")
def filled(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("galleries") / "kin"
    gallery, added = Gallery.create_from(folder, photos / "known")
    assert (added.added, added.classes, added.revision) == (48, 12, 1)
    gallery.calibrate(0.2, photos / "unknown")
    return folder


@pytest.fixture
def gallery(filled: Path, tmp_path: Path) -> Gallery:
    shutil.copytree(filled, tmp_path / "kin")
    return Gallery.open(tmp_path / "kin")


def test_new_photos_of_enrolled_classes_get_their_name_and_others_none(gallery: Gallery, photos: Path) -> None:
    known = gallery.classify(photos / "new")
    right = [answer.candidates[0].label == Path(answer.image).parent.name for answer in known]
    assert np.mean(right) > 0.95
    named = [answer for answer in known if answer.decision == "named"]
    assert len(named) > 12
    assert all(answer.label == Path(answer.image).parent.name for answer in named)
    fresh = [picture(kind, 0) for kind in range(500, 600)]
    assert sum(answer.decision == "named" for answer in gallery.classify(fresh)) <= 20


def test_of_several_that_create_one_gallery_one_does_and_the_others_are_told(tmp_path: Path) -> None:
    def create(_: int) -> str:
        try:
            return str(Gallery.create(tmp_path / "kin").store.revision())
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(6) as pool:
        said = sorted(pool.map(create, range(6)))
    assert said[0] == "0"
    assert all("there is a gallery in" in each for each in said[1:])
    assert Gallery.open(tmp_path / "kin").check().faults == ()


def test_an_answer_says_what_it_rests_on(gallery: Gallery) -> None:
    (answer,) = gallery.classify(picture(3, 77))
    assert answer.label == "kind 3"
    assert answer.decision == "named"
    assert answer.threshold is not None and answer.distance <= answer.threshold
    assert answer.probability is not None and 0.5 < answer.probability <= 1
    assert answer.probability == answer.candidates[0].probability
    assert answer.promise is not None and answer.promise.rate == 0.2 >= answer.promise.bound
    assert answer.neighbours[0].label == "kind 3"
    assert answer.neighbours[0].source.endswith(".png")
    assert answer.neighbours[0].distance == answer.distance
    assert [each.distance for each in answer.neighbours] == sorted(each.distance for each in answer.neighbours)
    assert (answer.model.name, answer.revision) == ("descriptor", 2)
    assert len({each.label for each in answer.candidates}) == 5
    assert sum(each.probability or 0 for each in answer.candidates) <= 1 + 1e-9


def test_before_calibration_everything_is_named_and_said_to_be_so(tmp_path: Path, photos: Path) -> None:
    made, _ = Gallery.create_from(tmp_path / "kin", photos / "known")
    (answer,) = made.classify(picture(3, 77))
    assert (answer.decision, answer.label, answer.probability, answer.threshold) == ("not calibrated", "kind 3", None, None)
    assert made.verify(picture(3, 1), picture(3, 2)).decision == "not calibrated"


def test_pairs_are_compared_without_being_enrolled(gallery: Gallery) -> None:
    same, other = gallery.verify(picture(300, 1), picture(300, 2)), gallery.verify(picture(300, 1), picture(301, 2))
    assert (same.decision, other.decision) == ("same", "different")
    assert same.impostor_pairs == 66 * 16
    assert same.threshold is not None and same.distance <= same.threshold < other.distance


def test_search_gives_the_nearest_images(gallery: Gallery, photos: Path) -> None:
    found = gallery.search(photos / "known" / "kind 5" / "2.png", 4)
    assert found.neighbours[0].distance == pytest.approx(0, abs=1e-6)
    assert [each.label for each in found.neighbours] == ["kind 5"] * 4
    assert len(gallery.search(picture(0, 0), 1000).neighbours) == 48
    with pytest.raises(InputError, match="one image is needed"):
        gallery.search(photos / "known")


def test_an_old_answer_is_repeated_bit_for_bit(gallery: Gallery) -> None:
    photo = picture(3, 77)
    before = gallery.classify(photo)
    number = gallery.view().revision
    gallery.remove("kind 3")
    gallery.calibrate(0.5, pair_false_accept=0.05)
    assert gallery.classify(photo)[0].candidates[0].label != "kind 3"
    assert gallery.classify(photo, at_revision=number) == before
    assert gallery.classify(photo, at_revision=1)[0].decision == "not calibrated"
    pair = gallery.verify(photo, picture(3, 78), at_revision=number)
    assert pair.threshold != gallery.verify(photo, picture(3, 78)).threshold
    with pytest.raises(InputError, match="revision"):
        gallery.classify(photo, at_revision=99)


def test_removing_relabelling_and_going_back(gallery: Gallery, photos: Path) -> None:
    assert gallery.remove("kind 0").removed == 4
    assert "kind 0" not in gallery.view().enrolled.names
    assert gallery.relabel(photos / "known" / "kind 1" / "0.png", "another").relabelled == 1
    assert gallery.relabel("kind 2", "zwei").relabelled == 4
    number = int(gallery.view().enrolled.ids[0])
    assert gallery.remove(number).removed == gallery.remove(f"#{number + 1}").removed == 1
    back = gallery.rollback(2)
    assert len(gallery.view().enrolled) == 48
    assert gallery.view().calibration is not None
    assert [each.action for each in gallery.history()][-2:] == ["remove", "rollback"]
    assert gallery.history()[-1].number == back.revision


def test_a_name_that_is_a_class_and_a_file_is_asked_about(gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture(1, 0)).save("kind.png")
    gallery.relabel("kind 0", "kind.png")
    with pytest.raises(InputError, match="both a class and a file"):
        gallery.remove("kind.png")
    assert gallery.remove(File("kind.png")).removed == 1
    assert gallery.remove(Label("kind.png")).removed == 4
    with pytest.raises(InputError, match="did you mean 'kind 1'"):
        gallery.remove("kind1")


def test_purging_erases_the_past(gallery: Gallery, photos: Path) -> None:
    gallery.purge("kind 7")
    gallery.purge(photos / "known" / "kind 8" / "0.png")
    assert len(gallery.view(2).enrolled) == 43
    assert b"kind 7" not in b"".join(each.read_bytes() for each in gallery.folder.rglob("*") if each.is_file())


def test_adding_again_changes_nothing_and_another_label_is_reported(gallery: Gallery, photos: Path) -> None:
    again = gallery.add(photos / "known")
    assert (again.added, again.unchanged, again.revision) == (0, 48, 2)
    other = gallery.add(photos / "known" / "kind 1", label="someone else")
    assert other.added == 0
    assert {(each.label, each.enrolled_as) for each in other.conflicts} == {("someone else", "kind 1")}


def test_one_image_under_two_labels_in_one_go_is_reported(tmp_path: Path) -> None:
    folder_of(tmp_path / "in", range(2), range(1))
    shutil.copy(tmp_path / "in" / "kind 0" / "0.png", tmp_path / "in" / "kind 1" / "copy.png")
    _, added = Gallery.create_from(tmp_path / "kin", tmp_path / "in")
    assert [(each.label, each.enrolled_as) for each in added.conflicts] == [("kind 1", "kind 0")]
    assert added.added == 2


def test_bad_images_leave_everything_as_it_was(gallery: Gallery, tmp_path: Path) -> None:
    place = folder_of(tmp_path / "more", range(20, 22), range(2))
    (place / "kind 20" / "cut.png").write_bytes((place / "kind 20" / "0.png").read_bytes()[:200])
    with pytest.raises(InputError, match=r"cut\.png"):
        gallery.add(place)
    assert gallery.view().revision == 2
    added = gallery.add(place, skip_bad=True)
    assert added.added == 4
    assert [Path(image).name for image, _ in added.bad] == ["cut.png"]
    with pytest.raises(InputError, match=r"cut\.png"):
        Gallery.create_from(tmp_path / "fresh", place)
    assert not (tmp_path / "fresh").exists()


def test_a_new_class_that_looks_like_another_is_named(gallery: Gallery, tmp_path: Path) -> None:
    place = folder_of(tmp_path / "twin", range(3, 4), range(30, 34), name="twin")
    added = gallery.add(place)
    (confusion,) = added.confusions
    assert (confusion.label, confusion.other, confusion.images) == ("twin", "kind 3", 4)
    assert confusion.nearer + (confusion.within or 0) > 0
    assert "'kind 3'" in str(confusion)
    assert not gallery.add(folder_of(tmp_path / "else", range(40, 41), range(4))).confusions


def test_a_gallery_that_grew_says_that_its_promise_no_longer_holds(gallery: Gallery, tmp_path: Path) -> None:
    assert gallery.info().outgrown is None
    added = gallery.add(folder_of(tmp_path / "more", range(200, 230), range(1)))
    assert added.outgrown is not None and "outgrown" in added.outgrown and "42" in added.outgrown
    assert gallery.info().outgrown == added.outgrown
    (answer,) = gallery.classify(picture(3, 77))
    assert answer.promise is not None and answer.promise.outgrown == added.outgrown


def test_a_gallery_of_another_model_is_refused_with_the_reason(gallery: Gallery, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="was made by the model .* and the model that was given is 'turned'"):
        Gallery.open(gallery.folder, model=Turned())
    other = Gallery.create(tmp_path / "other", trained(name="other"))
    assert other.embedder.name == "other"
    record = gallery.folder / "gallery.json"
    record.write_text(record.read_text().replace(gallery.store.facts.fingerprint, "0" * 64))
    with pytest.raises(InputError, match="different galleries"):
        Gallery.open(gallery.folder)


def test_a_lost_or_damaged_model_is_named(gallery: Gallery) -> None:
    (gallery.folder / "model" / "model.json").write_text("{}")
    with pytest.raises(InputError, match=r"model\.json"):
        Gallery.open(gallery.folder).classify(picture(0, 0))
    shutil.rmtree(gallery.folder / "model")
    with pytest.raises(InputError, match="lost its model"):
        Gallery.open(gallery.folder).classify(picture(0, 0))
    assert len(Gallery.open(gallery.folder).history()) == 3


def test_a_damaged_store_is_never_empty_in_silence(gallery: Gallery) -> None:
    (gallery.folder / "gallery.db").write_bytes(b"")
    with pytest.raises(DamagedGallery, match="empty"):
        Gallery.open(gallery.folder)


def test_what_cannot_be_made_or_opened_says_why(gallery: Gallery, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is a gallery in"):
        Gallery.create(gallery.folder)
    with pytest.raises(InputError, match="no such folder"):
        Gallery.open(tmp_path / "nowhere")
    (tmp_path / "file").write_text("words")
    with pytest.raises(InputError, match="is a file"):
        Gallery.create(tmp_path / "file")
    with pytest.raises(InputError, match="nothing is enrolled"):
        Gallery.create(tmp_path / "empty").classify(picture(0, 0))
    with pytest.raises(InputError, match="opened for reading"):
        Gallery.open(gallery.folder, write=False).remove("kind 0")


def test_a_reader_sees_what_a_writer_adds(gallery: Gallery, tmp_path: Path) -> None:
    reader = Gallery.open(gallery.folder, write=False)
    photo = picture(60, 0)
    assert reader.classify(photo)[0].candidates[0].label != "kind 60"
    gallery.add(folder_of(tmp_path / "more", range(60, 61), range(1, 5)))
    assert reader.classify(photo)[0].candidates[0].label == "kind 60"


def test_hashes_of_the_gallery_are_those_of_the_pixels(gallery: Gallery) -> None:
    assert image_hash(picture(0, 0)) in gallery.view().hashes


def test_a_gallery_that_an_index_would_make_quicker_says_so(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss", reason="faiss is not installed (pip install 'nearkin[index]')")
    assert gallery.info().index == "exact search"
    monkeypatch.setattr("nearkin.gallery.searcher.INDEX_FROM", 40)
    assert "nearkin gallery index" in gallery.info().index
    added = gallery.add([picture(900, 0)], label="kind 900")
    assert any("nearkin gallery index" in note for note in added.notes)
