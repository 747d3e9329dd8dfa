"""Splits: what each protocol promises, that ties stay whole, and that leaks are refused."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.sets import image_set
from nearkin.core import InputError
from nearkin.data import Split, check_leaks, make_split, possible_protocols
from nearkin.data.ties import tied, tied_classes

PARTS = ("train", "validation", "test")


def part_of_each(images, split) -> np.ndarray:
    """(N,) the name of each image's part; every image must be in one."""
    names = np.full(len(images), "", dtype=object)
    for name in PARTS:
        assert (names[split.part(name)] == "").all()
        names[split.part(name)] = name
    return names


@st.composite
def labelled(draw, grouped: bool):
    sizes = draw(st.lists(st.integers(3, 30), min_size=2, max_size=8))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    groups = None
    if grouped:  # each class has four groups or more of its own
        groups = np.concatenate(
            [label * 100 + np.arange(size) % draw(st.integers(4, 9)) for label, size in enumerate(sizes)]
        )
        groups = np.unique(groups, return_inverse=True)[1]
    return image_set(labels, groups=groups, seed=draw(st.integers(0, 9)))


@given(labelled(grouped=False), st.integers(0, 50))
def test_closed_set_meets_each_share_of_each_class_exactly(images, seed):
    split = make_split(images, "closed-set", seed=seed, validation_share=0.2, test_share=0.3)
    names = part_of_each(images, split)
    assert (names != "").all()
    for label in range(len(images.classes)):
        mine = names[images.labels == label]
        assert (mine == "validation").sum() == max(1, round(len(mine) * 0.2))
        assert (mine == "test").sum() in {max(1, round(len(mine) * 0.3)), max(1, round(len(mine) * 0.3) - 1)}
        assert (mine == "train").sum() >= 1


@given(labelled(grouped=True), st.integers(0, 50))
def test_groups_stay_whole_and_every_class_is_in_every_part(images, seed):
    split = make_split(images, "closed-set", seed=seed)
    names = part_of_each(images, split)
    for group in range(len(images.group_names)):
        assert len(set(names[images.groups == group])) == 1
    for label in range(len(images.classes)):
        assert set(names[images.labels == label]) == set(PARTS)


def test_grouped_shares_are_near_what_was_asked():
    labels = np.repeat([0, 1, 2], 300)
    groups = np.arange(900) // 10
    split = make_split(image_set(labels, groups=groups), "closed-set", validation_share=0.2, test_share=0.3)
    for label in range(3):
        mine = labels == label
        assert abs(mine[split.test].sum() - 90) <= 10
        assert abs(mine[split.validation].sum() - 60) <= 10


def test_patients_with_images_of_many_classes_stay_whole():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, 800)
    images = image_set(rng.integers(0, 4, 800), groups=groups)
    names = part_of_each(images, make_split(images, "closed-set"))
    assert all(len(set(names[groups == group])) == 1 for group in range(40))
    assert 0.2 < (names == "test").mean() < 0.3


@given(st.integers(6, 30), st.integers(0, 50))
def test_class_disjoint_shares_no_class(count, seed):
    images = image_set(np.repeat(np.arange(count), 3))
    split = make_split(images, "class-disjoint", seed=seed)
    held = [set(images.labels[split.part(name)].tolist()) for name in PARTS]
    assert sum(map(len, held)) == len(set.union(*held)) == count
    assert all(len(classes) >= 2 for classes in held)
    assert len(held[2]) == max(2, round(count * 0.3))


def test_class_disjoint_keeps_classes_together_that_a_group_spans():
    labels = np.repeat(np.arange(12), 4)
    groups = labels // 2  # each group spans two classes
    images = image_set(labels, groups=groups)
    for seed in range(10):
        names = part_of_each(images, make_split(images, "class-disjoint", seed=seed))
        assert all(len(set(names[groups == group])) == 1 for group in range(6))


@pytest.mark.parametrize("protocol", ["closed-set", "class-disjoint"])
def test_identical_images_stay_on_one_side(protocol):
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (60, 1, 4, 4), dtype=np.uint8)
    pixels[20:40] = pixels[:20]
    images = image_set(np.tile(np.arange(10), 6), pixels=pixels)
    for seed in range(5):
        names = part_of_each(images, make_split(images, protocol, seed=seed))
        assert (names[:20] == names[20:40]).all()


@pytest.mark.parametrize("protocol", ["closed-set", "class-disjoint"])
def test_the_seed_decides_alone(protocol):
    images = image_set(np.repeat(np.arange(10), 20))
    again, other = make_split(images, protocol, seed=3), make_split(images, protocol, seed=4)
    split = make_split(images, protocol, seed=3)
    assert all(np.array_equal(split.part(name), again.part(name)) for name in PARTS)
    assert not np.array_equal(split.test, other.test)


def test_a_split_survives_its_json():
    images = image_set(np.repeat(np.arange(6), 9), groups=np.arange(54) // 2)
    split = make_split(images, "closed-set", seed=5)
    again = Split.from_dict(json.loads(json.dumps(split.as_dict(), allow_nan=False)))
    assert again.as_dict() == split.as_dict()
    assert split.description["data_hash"] == images.data_hash
    assert split.description["images"] == {name: len(split.part(name)) for name in PARTS}
    assert sum(split.description["groups"].values()) == 27


def official(train_labels, test_labels, validation_labels=(), **more):
    labels = [*train_labels, *validation_labels, *test_labels]
    split = ["train"] * len(train_labels) + ["validation"] * len(validation_labels) + ["test"] * len(test_labels)
    return image_set(labels, split=split, **more)


def test_official_carves_validation_out_of_train_by_class_where_classes_are_shared():
    images = official(np.repeat([0, 1], 50), np.repeat([0, 1], 10))
    split = make_split(images, "official", validation_share=0.2)
    np.testing.assert_array_equal(split.test, np.arange(100, 120))
    assert np.bincount(images.labels[split.validation]).tolist() == [10, 10]
    assert split.description["validation"] == "carved out of train, stratified by class"
    assert sorted([*split.train, *split.validation]) == list(range(100))


def test_official_carves_whole_classes_where_classes_are_not_shared():
    images = official(np.repeat(np.arange(10), 5), np.repeat([10, 11], 5))
    split = make_split(images, "official", validation_share=0.3)
    assert split.description["validation"] == "carved out of train, class-disjoint"
    assert len(np.unique(images.labels[split.validation])) == 3
    assert not set(images.labels[split.validation]) & set(images.labels[split.train])


def test_official_keeps_a_validation_part_of_the_source():
    images = official([0, 1] * 5, [0, 1] * 2, [0, 1] * 3)
    split = make_split(images, "official")
    np.testing.assert_array_equal(split.validation, np.arange(10, 16))
    assert split.description["validation"] == "from the source"


def test_official_leaves_lone_images_in_train():
    images = official([0] * 20 + [1], [0, 1])
    split = make_split(images, "official")
    assert 20 in split.train
    assert set(images.labels[split.validation]) == {0}


def test_an_official_split_that_leaks_is_refused_unless_train_gives_way():
    pixels = np.random.default_rng(0).integers(0, 256, (44, 1, 4, 4), dtype=np.uint8)
    pixels[40] = pixels[3]
    images = official([0, 1] * 20, [0, 1] * 2, pixels=pixels)
    with pytest.raises(
        InputError, match=r"1 identical images, such as 'image3' in .* and 'image40' in test.*drop_leaks"
    ):
        make_split(images, "official")
    split = make_split(images, "official", drop_leaks=True)
    assert 3 not in {*split.train, *split.validation}
    np.testing.assert_array_equal(split.test, np.arange(40, 44))
    assert split.description["dropped"] == 1


def test_groups_across_an_official_split_are_refused_unless_train_gives_way():
    groups = np.arange(44) // 4
    groups[43] = 0
    images = official([0, 1] * 20, [0, 1] * 2, groups=groups)
    with pytest.raises(InputError, match="1 groups, such as 'g0'"):
        make_split(images, "official")
    split = make_split(images, "official", drop_leaks=True)
    assert not {0, 1, 2, 3} & {*split.train, *split.validation}


def test_check_leaks_names_images_and_groups_on_both_sides():
    images = image_set([0, 1, 0, 1], groups=[0, 0, 1, 1])

    def parts(train, validation, test):
        return SimpleNamespace(
            **{"train": np.array(train, int), "validation": np.array(validation, int), "test": np.array(test, int)},
            enrolled=np.zeros(0, int),
        )

    check_leaks(images, parts([0, 1], [], [2, 3]))
    with pytest.raises(InputError, match="2 groups, such as 'g0' with 'image0' in train and 'image1' in test"):
        check_leaks(images, parts([0, 2], [], [1, 3]))
    with pytest.raises(InputError, match="1 identical images"):
        check_leaks(images, parts([0, 1], [0], []))


def test_a_test_class_in_training_is_refused_where_the_others_are_new():
    images = official(np.repeat(np.arange(6), 4), np.repeat([5, 6, 7, 8], 3))
    words = r"1 of the 4 test classes, such as '5' with 4 images in train and validation and 3 in test.*drop_leaks"
    with pytest.raises(InputError, match=words):
        make_split(images, "official")
    split = make_split(images, "official", drop_leaks=True)
    assert split.description["dropped"] == 4
    assert split.description["validation"] == "carved out of train, class-disjoint"
    assert 5 not in images.labels[np.concatenate([split.train, split.validation])]
    assert len(split.test) == 12


def test_a_few_unknown_test_classes_among_known_ones_are_no_leak():
    images = official(np.repeat(np.arange(6), 4), np.repeat([0, 1, 2, 6], 3))
    assert make_split(images, "official").description["validation"] == "carved out of train, stratified by class"


@pytest.mark.parametrize(
    ("images", "protocol", "words"),
    [
        (image_set([0] * 9 + [1] * 2), "closed-set", "at least 3 distinct images of each class.*'1' has 2"),
        (
            image_set([0] * 9 + [1] * 9, groups=[0] * 9 + list(range(1, 10))),
            "closed-set",
            "3 separate groups.*'0' has 1",
        ),
        (image_set(np.repeat(np.arange(5), 3)), "class-disjoint", "at least 6 classes.*there are 5"),
        (
            image_set(np.repeat(np.arange(8), 3), groups=np.tile([0, 1, 2], 8)),
            "class-disjoint",
            "tie the classes together",
        ),
        (
            image_set(np.repeat(np.arange(6), 3), groups=np.repeat([0, 0, 0, 1, 2, 3], 3)),
            "class-disjoint",
            "tie the classes together",
        ),
        (image_set([0, 1] * 9), "official", "comes without an official split"),
        (image_set([0, 1] * 9, split=["train"] * 18), "official", "18 training and 0 test"),
    ],
)
def test_an_impossible_protocol_is_refused_with_its_reason(images, protocol, words):
    with pytest.raises(InputError, match=words) as caught:
        make_split(images, protocol)
    assert possible_protocols(images)[protocol] == str(caught.value)


def test_possible_protocols_are_none():
    images = image_set(np.tile(np.arange(6), 10), split=["train"] * 30 + ["test"] * 30)
    assert possible_protocols(images) == {"closed-set": None, "class-disjoint": None, "official": None, "few-shot": None}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"protocol": "closedset"}, "did you mean 'closed-set'"),
        ({"protocol": "closed-set", "test_share": 0}, "test_share must be above 0"),
        ({"protocol": "closed-set", "test_share": 1.2}, "test_share must be a number from 0 to 0.9"),
        ({"protocol": "closed-set", "test_share": 0.6, "validation_share": 0.4}, "too little to train on"),
        ({"protocol": "official", "test_share": 0.2}, "brings its own test part"),
        ({"protocol": "closed-set", "drop_leaks": True}, "drop_leaks is for the official protocol"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        make_split(image_set([0, 1] * 9), **options)


def test_no_validation_part_where_its_share_is_zero():
    split = make_split(image_set([0, 1] * 20), "closed-set", validation_share=0)
    assert (len(split.train), len(split.validation), len(split.test)) == (30, 0, 10)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_ties_are_the_chains_of_equal_entries(rows):
    columns = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]
    slow = list(range(len(rows)))  # the lowest number reachable, by repeated passes
    for _ in rows:
        for first, one in enumerate(rows):
            for second, other in enumerate(rows):
                if one[0] == other[0] or one[1] == other[1]:
                    slow[first] = slow[second] = min(slow[first], slow[second])
    np.testing.assert_array_equal(tied(columns), np.unique(slow, return_inverse=True)[1])


def test_classes_are_tied_by_identical_images():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 1, 3, 3), dtype=np.uint8)
    pixels[2] = pixels[0]
    assert tied_classes(image_set([0, 0, 1, 1, 2, 2, 3, 3], pixels=pixels)).tolist() == [0, 0, 1, 2]
