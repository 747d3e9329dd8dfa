"""Methods that fit a distance: behind a trained network, or to frozen features and pixels without any training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.datasets import load_digits

from comparison.studies import recipe, results, section
from nearkin import LMNN, InverseCovariance
from nearkin.comparison import check_recipe, compare, open_study
from nearkin.comparison.forecast import forecast
from nearkin.comparison.planning import behaviour
from nearkin.comparison.problems import RecipeError
from nearkin.comparison.tuning import trials
from nearkin.comparison.yaml_text import parse_yaml, to_yaml
from nearkin.core import InputError
from nearkin.evaluation import evaluate

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

METHODS: list[dict[str, Any]] = [
    {"name": "covariance", "estimator": {"name": "inverse-covariance", "kind": "within"}},
    {"name": "LMNN", "estimator": {"name": "lmnn", "rank": 8, "max_iter": 5}},
    {"name": "two stages", "loss": "triplet", "estimator": {"name": "lmnn", "max_iter": 5}},
    {"name": "triplet", "loss": "triplet"},
]


def records(folder: Path) -> dict[tuple[str, int], tuple[dict[str, Any], Path]]:
    found = [(json.loads(path.read_text()), path.parent) for path in folder.glob("runs/*/run.json")]
    return {(run["method"], run["seed"]): (run, folder) for run, folder in found}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted") / "study"
    compare(recipe(methods=METHODS), folder)
    return folder


def test_an_estimator_alone_is_fitted_to_the_training_pixels_and_has_one_run_for_all_seeds(study: Path) -> None:
    made, opened = records(study), open_study(recipe(methods=METHODS), study)
    split, labels = opened.splits["closed-set"], opened.images.labels
    pixels = opened.inputs(np.arange(len(labels))).reshape(len(labels), -1)
    for name, estimator in (("covariance", InverseCovariance("within")), ("LMNN", LMNN(rank=8, max_iter=5))):
        assert [seed for method, seed in made if method == name] == [0]
        run, folder = made[name, 0]
        assert (run["kind"], run["distance"]) == ("fitted", "euclidean")
        factor = estimator.fit(pixels[split.train].astype(np.float64), labels[split.train]).components_
        kept = load_file(folder / "estimator.safetensors")
        np.testing.assert_allclose(kept["factor"], factor, rtol=1e-12)
        rows = (pixels[split.test] - pixels[split.train].astype(np.float64).mean(0)) @ factor.T
        np.testing.assert_allclose(np.load(folder / "embeddings.npy"), rows, rtol=1e-4, atol=1e-4)
        support = pixels[split.train] @ factor.T
        found = evaluate(
            pixels[split.test] @ factor.T, labels[split.test], support=support, support_labels=labels[split.train],
            at=(1, 2), knn=(1,), clustering=False,
        )  # fmt: skip
        assert {key: run["scores"][key] for key in ("map@r", "recall@1", "knn@1")} == pytest.approx(
            {key: found.scores[key] for key in ("map@r", "recall@1", "knn@1")}, abs=2e-3
        )
        chosen = evaluate(pixels[split.validation] @ factor.T, labels[split.validation], at=(1,), knn=(1,), clustering=False)
        assert run["best_validation"] == pytest.approx(chosen.scores["map@r"], abs=2e-3)


def test_two_stages_are_the_same_training_and_then_the_estimator_on_its_training_embeddings(study: Path) -> None:
    made, opened = records(study), open_study(recipe(methods=METHODS), study)
    test = opened.splits["closed-set"].test
    for seed in (0, 1):
        (alone, plain), (both, folder) = made["triplet", seed], made["two stages", seed]
        assert (plain / "network.safetensors").read_bytes() == (folder / "network.safetensors").read_bytes()
        kept = load_file(folder / "estimator.safetensors")
        rows = (np.load(plain / "embeddings.npy") - kept["mean"]) @ kept["factor"].T
        np.testing.assert_allclose(np.load(folder / "embeddings.npy"), rows, rtol=1e-4, atol=1e-5)
        found = evaluate(rows, opened.images.labels[test], at=(1, 2), knn=(1,), clustering=False)
        assert both["scores"]["map@r"] == pytest.approx(found.scores["map@r"], abs=2e-3)
        assert both["scores"]["map@r"] != alone["scores"]["map@r"]
        assert both["best_step"] == alone["best_step"]
    assert not np.allclose(kept["factor"], np.eye(4))


def test_the_table_ranks_what_was_fitted_among_the_methods_and_compares_it(study: Path) -> None:
    (protocol,) = json.loads((study / "results.json").read_text())["protocols"]
    kinds = {"covariance", "LMNN", "two stages", "triplet"}
    assert {row["method"] for row in protocol["rows"][:4]} == kinds
    assert all(row["verdict"] not in ("unfinished", "not tested") for row in protocol["rows"])
    assert "fitted" in (study / "results.csv").read_text()


def test_asking_again_makes_nothing_and_an_interrupted_study_ends_with_the_same_bits(study: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in study.glob("runs/*/run.json")}
    compare(recipe(methods=METHODS), study)
    assert {path: path.stat().st_mtime_ns for path in study.glob("runs/*/run.json")} == before
    compare(recipe(methods=METHODS[:2]), tmp_path / "grown")
    compare(recipe(methods=METHODS), tmp_path / "grown")
    assert results(tmp_path / "grown") == results(study)


def test_by_cosine_rows_are_compared_about_the_mean_of_the_training_rows(tmp_path: Path) -> None:
    compare(recipe("evaluation.distance=cosine", "seeds=1", methods=METHODS[:1]), tmp_path / "study")
    run, folder = records(tmp_path / "study")["covariance", 0]
    assert run["distance"] == "cosine"
    kept = load_file(folder / "estimator.safetensors")
    digits = load_digits().images
    assert 0 < kept["mean"].max() <= digits.max() / 16
    opened = open_study(recipe("evaluation.distance=cosine", "seeds=1", methods=METHODS[:1]), tmp_path / "study")
    found = evaluate(
        np.load(folder / "embeddings.npy"), opened.images.labels[opened.splits["closed-set"].test],
        distance="cosine", at=(1, 2), knn=(1,), clustering=False,
    )  # fmt: skip
    assert run["scores"]["map@r"] == pytest.approx(found.scores["map@r"], abs=1e-6)


def test_estimators_have_as_many_trials_and_only_their_own_settings(tmp_path: Path) -> None:
    methods = [
        {**METHODS[0], "search": {"estimator.shrinkage": {"low": 0.01, "high": 0.9, "log": True}}},
        {**METHODS[2], "search": {"estimator.rank": [2, 3, 4], "loss.margin": [0.1, 0.5]}},
    ]
    tuning = {"trials": 4, "search": {"training.learning_rate": {"low": 1e-3, "high": 1e-1, "log": True}}}
    tuned = recipe(methods=methods, tuning=tuning, seeds=1)
    compare(tuned, tmp_path / "study")
    runs = trials(open_study(tuned, tmp_path / "study"))
    mine = [run for run in runs if run.method.name == "covariance"]
    assert len(mine) == len(runs) / 2 == 4
    assert len({run.method.estimator["shrinkage"] for run in mine}) == 4
    assert all("training" not in run.method.settings() for run in mine)
    scores = [(run.record() or {})["validation"] for run in mine]
    best = max(range(4), key=lambda number: scores[number])
    run, _ = records(tmp_path / "study")["covariance", 0]
    assert run["recipe"] == mine[best].method.settings()
    assert run["best_validation"] == pytest.approx(scores[best])
    assert len({(run.record() or {})["validation"] for run in runs if run.method.name == "two stages"}) > 1
    (protocol,) = json.loads((tmp_path / "study" / "results.json").read_text())["protocols"]
    assert {found["method"]: len(found["scores"]) for found in protocol["trials"]} == {"covariance": 4, "two stages": 4}


def test_a_recipe_with_estimators_reads_back_as_itself() -> None:
    made = recipe(methods=METHODS)
    again = check_recipe(parse_yaml(to_yaml(made.as_section())))
    assert again == made
    assert [method.kind for method in again.methods] == ["fitted", "fitted", "trained", "trained"]
    assert check_recipe(section(methods=[{"estimator": "lmnn"}])).methods[0].name == "lmnn"


def test_what_an_estimator_does_is_part_of_a_runs_name(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, other, none = (
        behaviour(recipe(methods=[method]).methods[0], 4)
        for method in (METHODS[2], {**METHODS[2], "estimator": {"name": "lmnn", "push": 0.7}}, METHODS[3])
    )
    assert plain != other
    assert plain.startswith(f"{none}-")


def test_an_estimator_that_cannot_be_fitted_fails_its_run_in_words(tmp_path: Path) -> None:
    method = {"name": "sharp", "estimator": {"name": "inverse-covariance", "shrinkage": 0.0}}
    outcome = compare(recipe(methods=[method], seeds=1), tmp_path / "study")  # corner pixels never change
    ((run, reason),) = outcome.failed
    assert run.method.name == "sharp"
    assert "the estimator cannot be fitted" in reason and "shrinkage" in reason


def test_the_forecast_counts_what_is_fitted() -> None:
    found = forecast(recipe(methods=METHODS))
    assert found.runs == 2 * 2 + 2 + 2 + 1  # two trained and the untrained twice; two fitted and the pixels once
    assert set(found.step) == {"two stages", "triplet"}


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ({"name": "a", "estimator": "lmn"}, "did you mean 'lmnn'"),
        ({"name": "a", "estimator": {"rank": 3}}, "an estimator's name or a section with a name"),
        ({"name": "a", "estimator": {"name": "lmnn", "ranks": 3}}, "rank"),
        ({"name": "a", "estimator": {"name": "lmnn", "rank": 0}}, "at least 1"),
        ({"name": "a", "estimator": {"name": "lmnn", "random_state": 0}}, "random_state"),
        ({"name": "a", "estimator": {"name": "inverse-covariance", "shrinkage": 2.0}}, "shrinkage"),
        ({"name": "a", "estimator": "lmnn", "training": {"learning_rate": 0.1}}, "no network is trained"),
        ({"name": "a", "loss": "triplet", "estimator": "lmnn", "search": {"estimator.push": [2.0]}}, "below 1"),
        ({"name": "a", "estimator": "lmnn", "search": {"loss.margin": [2.0]}}, "begins with estimator"),
        ({"name": "a", "loss": "triplet", "search": {"estimator.push": [0.5]}}, "begins with loss or network or training"),
        ({"name": "a", "estimator": "lmnn"}, "nothing to search"),
        ({"name": "a"}, "loss"),
    ],
)
def test_mistakes_are_found_before_anything_is_made(method: dict[str, Any], said: str) -> None:
    tuning = {"trials": 2, "search": {"training.learning_rate": [0.01, 0.1]}}
    with pytest.raises(RecipeError, match=said):
        recipe(methods=[method], tuning=tuning)


def test_an_estimator_that_does_not_suit_the_images_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    wide = [{"name": "a", "estimator": {"name": "lmnn", "rank": 65}}]
    with pytest.raises(InputError, match="rank 65 is more than the 64"):
        compare(recipe(methods=wide), tmp_path / "study")
    behind = [{"name": "a", "loss": "triplet", "estimator": {"name": "lmnn", "rank": 5}}]
    with pytest.raises(InputError, match="rank 5 is more than the 4"):
        compare(recipe(methods=behind), tmp_path / "study")
    with pytest.raises(InputError, match="frozen backbone"):
        compare(recipe("data.size=[96, 96]", methods=METHODS[:1]), tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_a_classifiers_accuracy_cannot_decide_behind_an_estimator() -> None:
    methods = [{"name": "a", "loss": "joint", "estimator": "lmnn"}]
    with pytest.raises(RecipeError, match="no classifier reads its rows"):
        recipe(methods=methods, primary="accuracy")
    assert recipe(methods=methods).methods[0].estimator["name"] == "lmnn"
