"""Comparisons on the features of a frozen backbone: made once, a row of their own, and the start of every head."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.decomposition import PCA

from comparison.studies import recipe, results
from nearkin.comparison import compare, open_study
from nearkin.comparison.building import build_plan
from nearkin.comparison.frozen import features_folder
from nearkin.comparison.inputs import Features
from nearkin.comparison.problems import RecipeError
from nearkin.comparison.reading import check_recipe
from nearkin.core import InputError
from nearkin.evaluation import evaluate
from nearkin.training import Unfreezing

NETWORK: dict[str, Any] = {"backbone": {"name": "mobilenet_v2", "weights": "random", "size": 32}, "embedding_size": 4}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return features_folder()


def small(*changes: str, **parts: Any) -> Any:
    return recipe("data.limit_per_class=16", *changes, **{"network": NETWORK, **parts})


class Counting:
    def __init__(self) -> None:
        self.made = 0
        self.said: list[str] = []

    def features(self, done: int, images: int) -> None:
        self.made = done

    def planned(self, runs: int, finished: int) -> None: ...
    def step(self, step: Any) -> None: ...
    def note(self, text: str) -> None: ...
    def finished(self, run: str, says: str) -> None:
        self.said.append(run)


def records(folder: Path) -> list[tuple[dict[str, Any], Path]]:
    return [(json.loads(path.read_text()), path.parent) for path in folder.glob("runs/*/run.json")]


def test_features_are_made_once_and_what_is_lost_or_damaged_is_made_again(tmp_path, cache):
    first, again, damaged = Counting(), Counting(), Counting()
    compare(small("seeds=1"), tmp_path / "one", listener=first)
    assert first.made == 160
    compare(small("seeds=1"), tmp_path / "two", listener=again, jobs=2)
    assert again.made == 0
    assert results(tmp_path / "two") == results(tmp_path / "one")
    (file,) = cache.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-100])
    compare(small("seeds=1"), tmp_path / "three", listener=damaged)
    assert damaged.made == 160
    assert results(tmp_path / "three") == results(tmp_path / "one")


def test_the_table_has_the_frozen_features_and_heads_that_start_as_their_projection(tmp_path):
    compare(small(), tmp_path / "study")
    study = open_study(small(), tmp_path / "study")
    split = study.splits["closed-set"]
    made = records(tmp_path / "study")
    assert sorted((run["kind"], run["seed"]) for run, _ in made if run["kind"] != "trained") == [
        ("features", 0), ("pixels", 0), ("untrained", 0), ("untrained", 1),
    ]  # fmt: skip
    (features,) = [folder for run, folder in made if run["kind"] == "features"]
    np.testing.assert_array_equal(np.load(features / "embeddings.npy"), study.inputs(split.test))
    rows = study.inputs(split.train).astype(np.float64)
    scale = rows.std(0)
    scale[scale < 1e-6] = 1
    pca = PCA(4).fit((rows - rows.mean(0)) / scale)
    wanted = pca.transform((study.inputs(split.test) - rows.mean(0)) / scale) / np.sqrt(pca.explained_variance_.sum())
    untrained = next(folder for run, folder in made if run["kind"] == "untrained")
    got = np.load(untrained / "embeddings.npy")
    np.testing.assert_allclose(np.abs(got), np.abs(wanted) * np.sqrt(len(rows) / (len(rows) - 1)), rtol=2e-2, atol=2e-3)


def test_principal_axes_beyond_the_rank_are_zero_and_projected_rows_have_length_one():
    rows = np.random.default_rng(0).normal(size=(50, 3)) @ np.random.default_rng(1).normal(size=(3, 6))
    inputs = Features(rows.astype(np.float32))
    everything = np.arange(50)
    scale = inputs.standardisation(everything)
    axes = inputs.principal_axes(everything, scale, 5)
    assert axes.shape == (5, 6)
    assert not axes[3:].any()
    standard = (rows - rows.mean(0)) / rows.std(0)
    assert np.square(standard @ axes.T).sum(1).mean() == pytest.approx(1, rel=1e-4)


def test_a_learned_distance_judges_with_what_it_learned(tmp_path):
    methods = [{"name": "learned", "loss": {"name": "contrastive", "distance": "mahalanobis"}}]
    compare(small("seeds=1", methods=methods), tmp_path / "study")
    ((run, folder),) = [(run, folder) for run, folder in records(tmp_path / "study") if run["kind"] == "trained"]
    weight = load_file(folder / "loss.safetensors")["distance.weight"]
    assert not np.allclose(weight, np.eye(4))
    study = open_study(small("seeds=1", methods=methods), tmp_path / "study")
    labels = study.images.labels[study.splits["closed-set"].test]
    found = evaluate(np.load(folder / "embeddings.npy"), labels, distance="euclidean", clustering=False, at=(1, 2), knn=(1,))
    assert run["distance"] == "mahalanobis"
    assert run["scores"]["map@r"] == pytest.approx(found.scores["map@r"], abs=1e-6)
    assert run["scores"]["recall@2"] == pytest.approx(found.scores["recall@2"], abs=1e-6)


def test_a_backbone_that_is_trained_too_sees_pixels(tmp_path):
    network = {"backbone": {**NETWORK["backbone"], "frozen": False}, "embedding_size": 4}
    tuned = small("seeds=1", "training.steps=2", network=network)
    compare(tuned, tmp_path / "study")
    kinds = sorted({run["kind"] for run, _ in records(tmp_path / "study")})
    assert kinds == ["pixels", "trained", "untrained"]
    folder = next(folder for run, folder in records(tmp_path / "study") if run["kind"] == "trained")
    assert any(name.startswith("backbone.") for name in load_file(folder / "network.safetensors"))


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ({"backbone": "mobilenet_v3"}, "mobilenet_v2"),
        ({"backbone": {"name": "mobilenet_v2", "wieghts": "random"}}, "weights"),
        ({**NETWORK, "hidden": [8], "start": "principal"}, "random"),
        ({**NETWORK, "standardise": "yes"}, "true or false"),
        ({**NETWORK, "layers": []}, "layers"),
    ],
)
def test_mistakes_in_the_backbone_are_found_before_anything_is_made(network, said):
    with pytest.raises(RecipeError, match=said):
        small(network={"embedding_size": 4, **network})


def test_features_cannot_be_augmented():
    training = {"steps": 2, "classes_per_batch": 2, "images_per_class": 2, "augmentation": {"flip": True}}
    with pytest.raises(RecipeError, match="training.augmentation: changes images"):
        small(network={"embedding_size": 4, **NETWORK}, training=training)


@pytest.mark.parametrize("network", [{**NETWORK}, {}])
def test_only_a_backbone_that_is_trained_can_be_unfrozen(network):
    training = {"steps": 2, "classes_per_batch": 2, "images_per_class": 2, "unfreeze": {"latest": 1}}
    with pytest.raises(RecipeError, match="training.unfreeze: is for a backbone .* network.backbone with frozen: false"):
        small(network={"embedding_size": 4, **network}, training=training)


def test_two_stages_reach_the_plan_and_are_written_down_where_there_are_two():
    training = {"steps": 2, "classes_per_batch": 2, "images_per_class": 2}
    network = {"embedding_size": 4, "backbone": {**NETWORK["backbone"], "frozen": False}}
    chosen = small(network=network, training={**training, "unfreeze": {"latest": 1}})
    stages = {"patience": 5, "relative": 0.001, "learning_rate": None, "latest": 1}
    assert chosen.as_section()["training"]["unfreeze"] == stages
    assert check_recipe(chosen.as_section()) == chosen
    assert build_plan(chosen, chosen.methods[0], 0).unfreeze == Unfreezing(latest=1)
    assert "unfreeze" not in small(network=network, training=training).training
    with pytest.raises(RecipeError, match="training.unfreeze.latest: must be a whole number"):
        small(network=network, training={**training, "unfreeze": {"latest": "soon"}})


def test_weights_that_are_not_there_are_an_error_and_nothing_is_written(tmp_path):
    network = {"backbone": {"name": "mobilenet_v2", "weights": "nowhere.safetensors"}, "embedding_size": 4}
    with pytest.raises(InputError, match="nowhere.safetensors"):
        compare(small(network=network), tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_a_classifiers_accuracy_may_decide_and_unseen_labels_are_counted_from_zero(tmp_path):
    methods = [
        {"name": "softmax", "loss": "joint"},
        {"name": "with triplets", "loss": {"name": "joint", "metric": {"name": "triplet", "mining": "batch-hard"}}},
    ]
    study = small(methods=methods, primary="accuracy", baseline="softmax", protocols=["closed-set"])
    outcome = compare(study, tmp_path / "study")
    made = {run["method"]: (run, folder) for run, folder in records(tmp_path / "study") if run["seed"] == 0}
    run, folder = made["softmax"]
    split = open_study(study, tmp_path / "study").splits["closed-set"]
    labels = outcome.study.images.labels[split.test]
    head = load_file(folder / "loss.safetensors")
    right = (np.load(folder / "embeddings.npy") @ head["classifier"].T + head["bias"]).argmax(1) == labels
    assert run["scores"]["accuracy"] == pytest.approx(right.mean(), abs=1e-9)
    assert run["scores"]["class-accuracy"] == pytest.approx(np.mean([right[labels == c].mean() for c in range(10)]))
    assert "accuracy" not in made["untrained"][0]["scores"]
    (protocol,) = outcome.summary.protocols
    assert [row.verdict for row in protocol.rows if row.method.kind != "trained"] == ["not tested"] * 3
    with pytest.raises(RecipeError, match="primary"):
        small(primary="accuracy")
    disjoint = small("seeds=1", methods=methods[:1], protocols=["class-disjoint"])
    assert set(open_study(disjoint, tmp_path / "other").training_labels("class-disjoint")) == set(range(5))
    compare(disjoint, tmp_path / "other")
