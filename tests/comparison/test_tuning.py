"""Settings are searched for on validation images, with equally many trials a method, the same on every call."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from comparison.studies import recipe
from nearkin.comparison import compare
from nearkin.comparison.recipe import Method
from nearkin.comparison.tuning import drawn

RATE = {"training.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}
TUNING = {"trials": 3, "search": RATE}


def tuned(folder: Path) -> Path:
    methods = [{"name": "siamese", "loss": "contrastive", "search": {"loss.margin": [0.5, 1.0, 2.0]}}, "triplet"]
    compare(recipe(methods=methods, tuning=TUNING, seeds=1), folder)
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tuned(tmp_path_factory.mktemp("tuned") / "study")


def table(study: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((study / "validation.csv").read_text().splitlines()))


def test_every_method_has_equally_many_trials(study: Path) -> None:
    trials = [row["method"] for row in table(study) if row["kind"] == "trial"]
    assert trials.count("siamese") == trials.count("triplet") == 3


def test_the_best_trial_on_validation_images_is_run(study: Path) -> None:
    for name in ("siamese", "triplet"):
        trials = [row for row in table(study) if row["kind"] == "trial" and row["method"] == name]
        best = max(trials, key=lambda row: (float(row["validation"]), -int(row["trial"])))
        (run,) = (row for row in table(study) if row["kind"] == "run" and row["method"] == name)
        assert run["settings"] == best["settings"]


def test_the_table_is_headed_tuned(study: Path) -> None:
    assert json.loads((study / "results.json").read_text())["tuned"] is True


def test_tuning_is_the_same_on_every_call(study: Path, tmp_path: Path) -> None:
    again = tuned(tmp_path / "study")
    assert (again / "validation.csv").read_bytes() == (study / "validation.csv").read_bytes()
    assert (again / "results.csv").read_bytes() == (study / "results.csv").read_bytes()


def test_trial_0_is_the_recipes_own_settings_and_methods_draw_the_same_values() -> None:
    one, two = (Method(name=name, loss={"name": name}, search=RATE) for name in ("contrastive", "triplet"))
    assert drawn(one, 0, 0) == one
    for number in range(1, 20):
        rate = drawn(one, number, 0).training["learning_rate"]
        assert 1e-4 <= rate <= 1e-1
        assert drawn(two, number, 0).training["learning_rate"] == rate
    assert len({drawn(one, number, 0).training["learning_rate"] for number in range(1, 20)}) == 19


def test_a_list_is_drawn_from_as_it_is() -> None:
    method = Method(name="a", loss={"name": "contrastive"}, search={"loss.margin": [0.5, 2]})
    assert {drawn(method, number, 0).loss["margin"] for number in range(1, 20)} == {0.5, 2}


def test_a_range_where_only_whole_numbers_are_right_is_found_too() -> None:
    with pytest.raises(ValueError, match="must be a list of values|whole number"):
        recipe(
            methods=[{"name": "own", "loss": "comparison.wild_loss:Wild", "search": {"loss.calls": {"low": 1, "high": 4}}}],
            tuning={"trials": 2},
        )


def test_a_recipe_of_random_trials_says_nothing_of_samplers() -> None:
    assert "sampler" not in recipe(tuning=TUNING).tuning
    assert recipe(tuning=TUNING | {"sampler": "tpe"}).tuning["sampler"] == "tpe"
    with pytest.raises(ValueError, match=r"tuning.sampler: must be one of 'random', 'tpe', got 'tpee'"):
        recipe(tuning=TUNING | {"sampler": "tpee"})


@pytest.mark.parametrize("search", [{"loss.margn": [1]}, {"loss.margin": []}, {"loss.margin": {"low": 2, "high": 1}}, {"loss.margin": [-1]}, {"training.steps": [9]}])
def test_a_wrong_search_is_found_before_anything_is_trained(search: dict) -> None:
    with pytest.raises(ValueError, match="margn|must be a list of values|margin must be|steps"):
        recipe(methods=[{"name": "siamese", "loss": "contrastive", "search": search}], tuning={"trials": 2})
