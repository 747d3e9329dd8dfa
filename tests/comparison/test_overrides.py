"""`key.path=value` changes one setting and nothing else."""

from __future__ import annotations

import pytest

from comparison.studies import SECTION, recipe, section
from nearkin.comparison.overrides import apply_overrides
from nearkin.core import InputError


def test_the_value_is_read_as_yaml() -> None:
    assert recipe("training.learning_rate=1e-4").training["learning_rate"] == 1e-4


def test_an_entry_of_a_list_is_named_or_numbered() -> None:
    by_name = section("methods.triplet.loss.margin=0.5")
    assert by_name == section("methods.1.loss.margin=0.5")
    assert by_name["methods"][1]["loss"]["margin"] == 0.5


def test_a_loss_written_short_can_be_given_options() -> None:
    assert section("methods.siamese.loss.margin=2")["methods"][0]["loss"] == {"name": "contrastive", "margin": 2}


def test_a_missing_section_is_made() -> None:
    assert section("tuning.trials=3")["tuning"] == {"trials": 3}


def test_the_recipe_that_was_given_is_left_alone() -> None:
    before = str(SECTION)
    apply_overrides(SECTION, ["training.steps=1", "methods.triplet.loss.margin=9"])
    assert str(SECTION) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("training.steps", "key.path=value"),
        ("=3", "key.path=value"),
        ("training..steps=3", "key.path=value"),
        ("methods.tripelt.loss=x", "no entry 'tripelt' here; did you mean 'triplet'"),
        ("methods.7.loss=x", "no entry '7'"),
        ("training.steps.more=3", "6, which has no keys"),
        ("training.steps=[1", "the value of training.steps"),
    ],
)
def test_a_change_that_cannot_be_made_says_why(change: str, words: str) -> None:
    with pytest.raises(InputError, match=words.replace("[", r"\[").replace("(", r"\(")):
        section(change)
