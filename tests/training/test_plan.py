"""Settings are checked when a plan is made, and say what is allowed."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from nearkin.core import InputError
from training.setting import plan


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 0}, "steps must be a whole number of at least 1, got 0"),
        ({"steps": 10.0}, "steps must be a whole number, got 10.0"),
        ({"classes_per_batch": True}, "classes_per_batch"),
        ({"images_per_class": -2}, "images_per_class"),
        ({"learning_rate": 0.0}, "learning_rate must be a finite number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"loss_learning_rate": -1.0}, "loss_learning_rate"),
        ({"optimizer": "adamm"}, "did you mean 'adam'"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"gradient_clip": 0}, "gradient_clip"),
        ({"validate_every": 0}, "validate_every"),
        ({"patience": 0}, "patience"),
        ({"seed": -1}, "seed"),
        ({"device": "cpuu"}, "device 'cpuu' is unknown; allowed: cpu, cuda"),
        ({"device": 3}, "device"),
    ],
)
def test_a_setting_out_of_range_is_refused_in_words(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        plan(**changes)


def test_a_misspelt_setting_is_an_error() -> None:
    with pytest.raises(TypeError, match="lerning_rate"):
        plan(lerning_rate=0.1)


def test_a_plan_is_frozen_and_changed_by_replace() -> None:
    first = plan()
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.seed = 4  # type: ignore[misc]
    assert dataclasses.replace(first, seed=4).seed == 4
    with pytest.raises(InputError):
        dataclasses.replace(first, steps=0)


def test_settings_are_plain_values() -> None:
    assert json.loads(json.dumps(plan().settings())) == plan().settings()


def test_the_cosine_falls_from_one_towards_zero() -> None:
    factors = [plan(schedule="cosine").rate_factor(step) for step in range(1, 21)]
    assert factors[0] == 1
    assert factors == sorted(factors, reverse=True)
    assert factors[10] == pytest.approx(0.5)
    assert 0 < factors[-1] < 0.01
    assert {plan().rate_factor(step) for step in range(1, 21)} == {1.0}
