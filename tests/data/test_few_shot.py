"""Few-shot splits: counted images of drawn classes, the rest of the classes novel, the same questions whatever is tuned on."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.sets import image_set
from nearkin.core import InputError, InputTypeError
from nearkin.data import Split, check_leaks, make_split, possible_protocols
from nearkin.data.few_shot import FewShot

SMALL = {"classes": 5, "images_per_class": 6, "train_per_class": 4, "novel": True}


def of_sizes(*sizes: int, **more):
    return image_set(np.repeat(np.arange(len(sizes)), sizes), **more)


def counts(images, part) -> list[int]:
    return np.bincount(images.labels[part], minlength=len(images.classes)).tolist()


@given(st.integers(0, 99), st.integers(0, 3), st.integers(2, 8), st.booleans())
def test_every_drawn_class_has_its_numbers_and_no_image_is_in_two_parts(seed, validation, classes, novel):
    images = of_sizes(*[7, 9] * 5)
    settings = {**SMALL, "classes": classes, "validation_per_class": validation, "novel": novel}
    split = make_split(images, "few-shot", seed=seed, few_shot=settings)
    trained = np.unique(images.labels[split.train])
    known = np.isin(np.arange(10), trained)
    assert len(trained) == classes
    assert counts(images, split.train) == np.where(known, 4 - validation, 0).tolist()
    assert counts(images, split.validation) == np.where(known, validation, 0).tolist()
    assert counts(images, split.enrolled) == np.where(known | ~np.array(novel), 0, 4).tolist()
    assert counts(images, split.test) == np.where(known | np.array(novel), 2, 0).tolist()
    everything = np.concatenate([split.train, split.validation, split.test, split.enrolled])
    assert len(np.unique(everything)) == len(everything)


def test_what_is_tuned_on_moves_no_question_and_fewer_classes_are_among_more():
    images = of_sizes(*[8] * 12)
    tuned, final, fewer = (
        make_split(images, "few-shot", seed=3, few_shot={**SMALL, **change})
        for change in ({}, {"validation_per_class": 0}, {"classes": 3})
    )
    assert np.array_equal(tuned.test, final.test) and np.array_equal(tuned.enrolled, final.enrolled)
    assert np.array_equal(np.sort(np.r_[tuned.train, tuned.validation]), final.train)
    assert np.isin(fewer.train, tuned.train).all()
    assert not np.array_equal(tuned.test, make_split(images, "few-shot", seed=4, few_shot=SMALL).test)


def test_of_tied_images_one_is_drawn():
    pixels = np.random.default_rng(0).integers(0, 256, (60, 1, 6, 6), dtype=np.uint8)
    pixels[1] = pixels[0]  # class 0 has nine distinct images, class 1 shares one with it
    pixels[10] = pixels[0]
    images = of_sizes(*[10] * 6, pixels=pixels)
    for seed in range(8):
        split = make_split(images, "few-shot", seed=seed, few_shot={"classes": None, "images_per_class": 8})
        drawn = np.concatenate([split.train, split.validation, split.test])
        assert len(np.unique(np.array(images.hashes)[drawn])) == len(drawn)
    grouped = of_sizes(*[10] * 6, groups=np.tile(np.repeat(np.arange(5), 2), 6) + 5 * np.repeat(np.arange(6), 10))
    settings = {"images_per_class": 5, "train_per_class": 3}
    split = make_split(grouped, "few-shot", few_shot=settings)
    drawn = np.concatenate([split.train, split.validation, split.test])
    assert len(np.unique(grouped.groups[drawn])) == len(drawn) == 30


def test_classes_with_too_few_images_are_left_out_and_counted():
    images = of_sizes(10, 9, 10, 3, 12)
    split = make_split(images, "few-shot")
    assert np.unique(images.labels[split.test]).tolist() == [0, 2, 4]
    assert split.description["classes_with_too_few_images"] == 2
    assert split.description["few_shot"]["train_per_class"] == 7
    assert possible_protocols(images)["few-shot"] is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"classes": 4}, "10 separate images in each of 4 classes.*3 of 5 have"),
        ({"classes": 3, "novel": True}, "each of 4 classes"),
        ({"images_per_class": 13}, "0 of 5 have"),
        ({"novel": True}, "say how many"),
        ({"train_per_class": 10}, "at least one image of each class must be left to ask"),
        ({"validation_per_class": 7}, "left to train on"),
        ({"classes": 1}, "at least 2"),
        ({"novel": 1}, "true or false"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_its_reason(given, words):
    with pytest.raises(InputError, match=words):
        make_split(of_sizes(10, 9, 10, 3, 12), "few-shot", few_shot=given)


def test_settings_of_one_protocol_are_refused_by_the_other():
    images = of_sizes(*[10] * 4)
    with pytest.raises(InputError, match="few-shot counts images"):
        make_split(images, "few-shot", test_share=0.3)
    with pytest.raises(InputError, match="few_shot has settings of the few-shot protocol"):
        make_split(images, "closed-set", few_shot=FewShot())
    with pytest.raises(InputTypeError, match="few_shot must be"):
        make_split(images, "few-shot", few_shot=7)


def test_a_split_is_read_back_with_its_novel_classes():
    images = of_sizes(*[8] * 7)
    split = make_split(images, "few-shot", few_shot=SMALL)
    again = Split.from_dict(json.loads(json.dumps(split.as_dict())))
    assert again.as_dict() == split.as_dict() and len(again.enrolled) == 8
    assert "enrolled" not in make_split(of_sizes(*[10] * 4), "few-shot").as_dict()
    assert split.description["images"] == {"train": 15, "validation": 5, "test": 14, "enrolled": 8}


def test_a_leak_into_the_novel_classes_is_refused():
    images = of_sizes(*[8] * 7)
    split = make_split(images, "few-shot", few_shot=SMALL)
    moved = Split.from_dict({**split.as_dict(), "train": [*split.train.tolist(), int(split.enrolled[0])]})
    with pytest.raises(InputError, match="identical images"):
        check_leaks(images, moved)
    spare = np.setdiff1d(np.flatnonzero(images.labels == images.labels[split.enrolled[0]]), np.r_[split.enrolled, split.test])
    known = Split.from_dict({**split.as_dict(), "train": [*split.train.tolist(), int(spare[0])]})
    with pytest.raises(InputError, match="1 of the 7 test classes"):
        check_leaks(images, known)
