"""Turned classes: every turn of a class is a class of its own, drawn, learnt and kept apart like any other."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from nearkin.core import InputError, InputTypeError
from nearkin.losses import Triplet
from nearkin.training import train
from nearkin.training.batches import Batches
from nearkin.training.turning import TurnedImages, turned_labels
from training import setting


def turned_slowly(image: np.ndarray, turns: int) -> np.ndarray:
    """(C, S, S), a pixel at a time: a quarter turn brings the last column into the first row."""
    for _ in range(turns):
        size = image.shape[1]
        image = np.array([[[channel[j, size - 1 - i] for j in range(size)] for i in range(size)] for channel in image])
    return image


@pytest.mark.parametrize("kind", ["array", "tensor", "function"])
def test_a_position_is_an_image_and_how_often_it_is_turned(kind: str) -> None:
    images = np.random.default_rng(0).random((5, 2, 4, 4), dtype=np.float32)
    source = {"array": images, "tensor": torch.from_numpy(images), "function": lambda positions: images[positions]}[
        kind
    ]
    before = images.copy()
    found = TurnedImages(source, 5)(np.array([3, 8, 19, 0, 10])).numpy()
    wanted = [turned_slowly(images[place], turns) for place, turns in ((3, 0), (3, 1), (4, 3), (0, 0), (0, 2))]
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(images, before)


def test_no_turn_of_a_class_is_another_class() -> None:
    labels = np.array([-2, 5, 5, 0])
    turned = turned_labels(labels).reshape(4, 4)
    assert (turned[0] == labels).all()
    assert len(np.unique(turned)) == 12
    for row in turned:
        assert row[1] == row[2] and len(np.unique(row)) == 3


def test_batches_are_drawn_among_all_turns() -> None:
    plan = setting.plan(turned_classes=True, classes_per_batch=20, images_per_class=2)
    batches = Batches(setting.images, setting.labels, None, plan)
    _, _, positions = next(batches.after(0, 0))
    images, labels = batches.load(positions)
    assert len(np.unique(labels)) == 20 and int(batches.labels.max()) == 23
    for image, label, position in zip(images.numpy(), labels.tolist(), positions.tolist(), strict=True):
        assert label == setting.labels[position % 60] + 6 * (position // 60)
        np.testing.assert_array_equal(image, turned_slowly(setting.images[position % 60], position // 60))


def test_a_run_of_turned_classes_is_another_run_and_one_without_says_nothing_of_them(tmp_path) -> None:
    plan, turned = setting.plan(steps=3), setting.plan(steps=3, turned_classes=True)
    assert "turned_classes" not in plan.settings()  # as in runs that were begun before there were such
    assert json.loads(json.dumps(turned.settings()))["turned_classes"] is True
    train(setting.network(), Triplet(), setting.images, setting.labels, turned, folder=tmp_path)
    with pytest.raises(InputError, match="turned_classes"):
        train(setting.network(), Triplet(), setting.images, setting.labels, plan, folder=tmp_path)


def test_what_cannot_be_turned_is_refused() -> None:
    with pytest.raises(InputTypeError, match="turned_classes"):
        setting.plan(turned_classes=1)
    for shape in ((60, 1, 6, 5), (60, 36)):
        with pytest.raises(InputError, match="turns square images"):
            Batches(np.zeros(shape, np.float32), setting.labels, None, setting.plan(turned_classes=True)).first()
