"""A calibration keeps its promise, rests on images that the model has not seen, and refuses what they do not support."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gallery.pictures import folder_of, picture, trained
from nearkin.core import InputError
from nearkin.data.opening import image_hash
from nearkin.decision.growth import LEFT_OUT
from nearkin.decision.promise import promise
from nearkin.decision.unknowns import answered
from nearkin.gallery import Calibration, Gallery


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("photos"), range(10), range(4), noise=60)


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("unknown"), range(100, 140), range(3), noise=60)


def hashes(kinds: range, numbers: range) -> set[str]:
    return {image_hash(picture(kind, number, 60)) for kind in kinds for number in numbers}


def test_the_threshold_is_the_one_of_the_distances_that_searches_give(known: Path, unknown: Path, tmp_path: Path) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", known)
    found = gallery.calibrate(0.2, unknown)
    assert (found.promise.photos, found.promise.classes, found.set_aside) == (120, 40, 0)
    distances = np.array([answer.distance for answer in gallery.classify(unknown)])
    assert (distances <= found.threshold).mean() == pytest.approx(found.promise.observed)
    assert found.promise.observed < 0.2 >= found.promise.upper


def test_without_unknowns_each_class_is_left_out_in_turn(known: Path, tmp_path: Path) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", known)
    found = gallery.calibrate(0.6)
    view = gallery.view()
    codes, slow = view.enrolled.codes, []
    for row, code in zip(view.vectors, codes):
        others = np.flatnonzero(codes != code)
        far = view.space.distances(row[None], view.vectors[others])[0]
        order = np.argsort(far, kind="stable")[: found.votes]
        slow.append(answered(far[order][None], codes[others[order]][None])[1][0])
    expected = promise(slow, codes, 0.6, room=10 / 9, independent=LEFT_OUT)
    assert found.threshold == expected.threshold > 0
    assert (found.asked_classes, found.enrolled_classes) == (9, 10)


def test_less_than_the_classes_support_is_refused_with_what_they_do(known: Path, unknown: Path, tmp_path: Path) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", known)
    with pytest.raises(InputError, match="40 classes that are not enrolled support no promise below 0.073 .*59 or more classes") as caught:
        gallery.calibrate(0.05, unknown)
    assert "--false-accept 0.073" in str(caught.value)
    assert gallery.calibrate(0.073, unknown).promise.rate == 0.073
    with pytest.raises(InputError, match="10 enrolled classes left out in turn"):
        gallery.calibrate(0.05)


def test_images_that_the_model_was_trained_on_never_calibrate(known: Path, unknown: Path, tmp_path: Path) -> None:
    seen = hashes(range(100, 110), range(1)) | hashes(range(5), range(4))
    gallery, _ = Gallery.create_from(tmp_path / "kin", known, trained(seen))
    found = gallery.calibrate(0.2, unknown)
    assert (found.set_aside, found.promise.classes, found.promise.photos) == (30, 30, 90)  # with their whole classes
    assert found.asked == 20
    left = gallery.calibrate(0.8)
    assert (left.set_aside, left.promise.classes) == (20, 5)
    assert "30 photos are set aside" in refusal(gallery, 0.05, unknown)


def test_too_few_images_left_is_an_error_that_says_how_many_were_set_aside(known: Path, unknown: Path, tmp_path: Path) -> None:
    seen = hashes(range(100, 139), range(1)) | hashes(range(9), range(1))
    gallery, _ = Gallery.create_from(tmp_path / "kin", known, trained(seen))
    assert "117 photos were set aside" in refusal(gallery, 0.5, unknown)
    assert "the model was trained on images of 9 of them" in refusal(gallery, 0.5, None)


def refusal(gallery: Gallery, rate: float, unknown: Path | None) -> str:
    with pytest.raises(InputError) as caught:
        gallery.calibrate(rate, unknown)
    assert gallery.view().calibration is None or gallery.view().calibration.promise.rate != rate
    return str(caught.value)


def test_unknown_photos_that_are_enrolled_are_refused(known: Path, tmp_path: Path) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", known)
    assert "of the unknown classes 10 are enrolled: kind 0" in refusal(gallery, 0.5, known)
    copies = folder_of(tmp_path / "copies", range(3), range(2), name="other {}", noise=60)
    assert "6 of the unknown photos are enrolled under another name" in refusal(gallery, 0.5, copies)
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "a.png").write_bytes(next(known.rglob("*.png")).read_bytes())
    assert "in no class folder" in refusal(gallery, 0.5, tmp_path / "flat")


def test_classes_of_one_image_have_a_promise_but_no_probability(unknown: Path, tmp_path: Path) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", folder_of(tmp_path / "lone", range(12), range(1)))
    found = gallery.calibrate(0.2, unknown)
    assert (found.accuracy, found.named, found.pairs, found.votes) == (None, None, None, 1)
    assert found.no_pairs
    assert not found.probability.is_calibrated
    (answer,) = gallery.classify(picture(3, 5))
    assert (answer.probability, answer.candidates[0].label) == (None, "kind 3")


def test_the_number_of_classes_may_grow_by_the_room_that_was_asked_for(known: Path, unknown: Path, tmp_path: Path) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", known)
    gallery.calibrate(0.2, unknown, room=1.5)
    more = folder_of(tmp_path / "more", range(20, 24), range(4))
    assert gallery.add(more).outgrown is None
    assert gallery.add(folder_of(tmp_path / "most", range(30, 40), range(4))).outgrown


def test_a_change_in_between_is_noticed(known: Path, unknown: Path, tmp_path: Path) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", known)

    def changes(done: int, count: int) -> None:
        Gallery.open(gallery.folder).add(picture(50, done), label="new")

    with pytest.raises(InputError, match="changed .* while it was calibrated"):
        gallery.calibrate(0.2, unknown, on_progress=changes)
    assert gallery.view().calibration is None


def test_a_calibration_is_kept_as_plain_values(known: Path, unknown: Path, tmp_path: Path) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", known)
    found = gallery.calibrate(0.2, unknown)
    assert Calibration.from_section(json.loads(json.dumps(found.as_section()))) == found == gallery.view().calibration
    with pytest.raises(InputError, match="newer nearkin"):
        Calibration.from_section({**found.as_section(), "format": 99})
    with pytest.raises(InputError, match="nothing is enrolled"):
        Gallery.create(tmp_path / "empty").calibrate(0.5)


@pytest.mark.parametrize("classes", [1, 2, 8, 9, 30, 130])
def test_the_suggested_rate_is_one_that_the_enrolled_classes_support(tmp_path: Path, classes: int) -> None:
    gallery = Gallery.create(tmp_path / "kin")
    for kind in range(classes):
        gallery.add([picture(kind, number) for number in range(2)], label=f"kind {kind}")
    rate = gallery.supported_promise()
    if rate is None:
        assert classes < 10
        with pytest.raises(InputError):
            gallery.calibrate(0.5)
        return
    assert rate >= 0.05 and gallery.calibrate(rate).promise.rate == rate
    if rate > 0.05:
        with pytest.raises(InputError, match="support no promise below"):
            gallery.calibrate(rate - 0.05)
