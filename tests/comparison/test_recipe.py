"""A recipe is checked as a whole: every mistake is found before anything is trained, each with the nearest right name."""

from __future__ import annotations

from typing import Any

import pytest

from comparison.studies import SECTION, recipe, section
from nearkin.comparison import RecipeError, check_recipe, read_recipe
from nearkin.comparison.building import build_plan
from nearkin.comparison.yaml_text import parse_yaml, to_yaml
from nearkin.core import InputError
from nearkin.training import Augmentation


def problems(*changes: str, **parts: Any) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        check_recipe(section(*changes, **parts))
    return caught.value.problems


def test_all_mistakes_are_said_at_once() -> None:
    found = problems("training.step=3", "training.learning_rate=fast", "methods.triplet.loss.margn=0.2", "seed=3")
    assert len(found) == 4
    assert "training: unknown key 'step'; did you mean 'steps'?" in found
    assert "training.learning_rate: must be a number, got 'fast'" in found
    assert "methods.triplet.loss: unknown key 'margn'; did you mean 'margin'?" in found
    assert "unknown key 'seed'; did you mean 'seeds'?" in found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("methods.triplet.loss.name=tripet", "unknown loss 'tripet'; did you mean 'triplet'?"),
        ("methods.triplet.loss.distance=euclidian", "unknown distance 'euclidian'; did you mean 'euclidean'?"),
        ("methods.triplet.loss.mining=semihard", "unknown miner 'semihard'; did you mean 'semi-hard'?"),
        ("protocols=closedset", "unknown protocol 'closedset'; did you mean 'closed-set'?"),
        ("evaluation.distance=snrr", "unknown distance 'snrr'; did you mean 'snr'?"),
        ("primary=map@R2", "must be one of recall@1"),
        ("baseline=triplett", "must be a row of the table (untrained, pixels, siamese, triplet), got 'triplett'; did you mean 'triplet'?"),
        ("network.layers.0.filter=3", "network.layers.0: unknown key 'filter'; did you mean 'filters'?"),
        ("network.layers.0.kind=dense", "must be a section with kind: conv or kind: fc"),
        ("data.nme=x", "data: unknown key 'nme'; did you mean 'name'?"),
        ("methods.triplet.wait=3", "methods.triplet: unknown key 'wait'"),
        ("methods.triplet.training={steps: 9}", "'steps' is the same for every method"),
    ],
)
def test_a_wrong_name_comes_with_the_nearest_right_one(change: str, words: str) -> None:
    found = problems(change)
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("training.steps=0", "steps must be a whole number of at least 1"),
        ("training.steps=2.5", "training.steps: must be a whole number, got 2.5"),
        ("training.steps=true", "training.steps: must be a whole number, got True"),
        ("training.steps='7'", "training.steps: must be a whole number, got '7'"),
        ("training.optimizer=adan", "optimizer must be one of 'adam', 'sgd', got 'adan'; did you mean 'adam'?"),
        ("methods.triplet.loss.margin=-1", "methods.triplet.loss: margin must be"),
        ("methods.triplet.loss.margin=.nan", "methods.triplet.loss: margin must be"),
        ("methods.triplet.network={normalize: 1}", "methods.triplet.network.normalize: must be true or false, got 1"),
        ("methods.triplet.training={learning_rate: -1}", "learning_rate must be"),
        ("seeds=0", "seeds: must be how many"),
        ("seeds=[1, 1]", "seeds: one is named twice"),
        ("seeds=[-1]", "seeds: must be"),
        ("data.size=[8]", "data.size: must be a list of 2"),
        ("evaluation.at=[0]", "evaluation.at: must be a list of whole numbers of at least 1"),
        ("evaluation.at=1", "evaluation.at: must be a list"),
        ("training=[]", "training: must be a section of keys"),
        ("training.augmentation={flop: true}", "training.augmentation: unknown key 'flop'; did you mean 'flip'?"),
        ("training.augmentation={crop: true}", "training.augmentation.crop: must be a whole number, got True"),
        ("training.augmentation={brightness: 2}", "brightness must lie in 0..1"),
        ("training.augmentation=flip", "training.augmentation: must be a section of keys"),
        ("methods=triplet", "methods: must be a list"),
        ("methods=[]", "methods: there is no method"),
        ("data=3", "data: must be a data set's name"),
        ("name=3", "name: must be text"),
        ("tuning={trials: 0, search: {training.learning_rate: [1]}}", "tuning.trials: must be at least 1"),
        ("tuning={trials: 2}", "has nothing to search although the recipe has tuning"),
    ],
)
def test_a_wrong_value_says_what_is_allowed(change: str, words: str) -> None:
    assert any(words in problem for problem in problems(change))


def test_a_missing_key_is_named() -> None:
    training = {key: value for key, value in SECTION["training"].items() if key != "steps"}
    assert problems(training=training) == ["training: steps is missing (a whole number)"]


@pytest.mark.parametrize("name", ["untrained", "pixels"])
def test_the_rows_of_every_table_keep_their_names(name: str) -> None:
    assert "belongs to a row that every table has" in problems(methods=[{"name": name, "loss": "triplet"}])[0]


def test_two_methods_cannot_have_one_name() -> None:
    assert "2 methods have the name 'triplet'" in problems(methods=["triplet", {"name": "triplet", "loss": "contrastive"}])[0]


def test_a_checked_recipe_reads_back_as_itself() -> None:
    first = recipe()
    assert check_recipe(parse_yaml(to_yaml(first.as_section()))) == first


def test_a_recipe_written_short_has_every_default() -> None:
    loss = recipe().methods[1].loss
    assert loss["margin"] == 0.2
    assert loss["distance"] == "euclidean"


@pytest.mark.parametrize(("loss", "distance"), [("n-pair", "cosine"), ("triplet", "euclidean"), ({"name": "triplet", "distance": "snr"}, "snr")])
def test_a_method_is_searched_by_its_own_distance(loss: Any, distance: str) -> None:
    assert recipe(methods=[{"name": "one", "loss": loss}]).methods[0].evaluation == {"distance": distance}


def test_the_recipe_may_name_one_distance_for_all() -> None:
    assert {method.evaluation["distance"] for method in recipe("evaluation.distance=cosine").methods} == {"cosine"}


def test_a_distance_may_have_options() -> None:
    loss = {"name": "triplet", "distance": {"name": "snr", "eps": 1e-6}, "mining": {"name": "semi-hard", "fallback": "skip"}}
    method = recipe(methods=[{"name": "one", "loss": loss}]).methods[0]
    assert method.loss["distance"] == {"name": "snr", "eps": 1e-6}
    assert method.evaluation == {"distance": "snr"}
    loss["distance"]["epps"] = loss["distance"].pop("eps")  # type: ignore[attr-defined]
    assert "unknown key 'epps'; did you mean 'eps'?" in problems(methods=[{"name": "one", "loss": loss}])[0]


def test_an_unknown_recipe_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="there is no recipe 'quickstrat'; did you mean 'quickstart'"):
        read_recipe("quickstrat")


@pytest.mark.parametrize("text", ["", "just words", "[1, 2]"])
def test_a_file_without_keys_is_no_recipe(tmp_path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(InputError, match="must be a recipe with keys"):
        read_recipe(tmp_path / "x.yaml")


def test_a_mistake_that_is_the_same_for_every_method_is_said_once():
    for change in ("training.steps=-1", "training.learning_rate=0"):
        with pytest.raises(RecipeError) as caught:
            recipe(change)
        assert str(caught.value).count(change.split("=")[0].split(".")[1]) == 1
    with pytest.raises(RecipeError) as caught:
        recipe(methods=[], grid={"loss": ["tripet"]})
    assert "tripet" in str(caught.value)
    assert "no method" not in str(caught.value)


def test_a_named_evaluation_distance_is_that_of_the_untrained_network_and_of_pixels_too():
    def judged(*changes):
        return [row.evaluation["distance"] for row in recipe(*changes).rows(pixels=True)[:2]]

    assert judged("evaluation.distance=cosine") == ["cosine", "cosine"]
    assert judged() == ["euclidean", "euclidean"]


def test_augmentation_is_written_down_where_there_is_one_and_reaches_the_plan() -> None:
    chosen = check_recipe(section("training.augmentation={flip: true, crop: 2}"))
    assert chosen.as_section()["training"]["augmentation"] == {"flip": True, "crop": 2, "brightness": 0.0}
    assert check_recipe(chosen.as_section()) == chosen
    assert build_plan(chosen, chosen.methods[0], 0).augmentation == Augmentation(flip=True, crop=2)
    assert "augmentation" not in check_recipe(section()).training  # as in studies that were begun before there was one
