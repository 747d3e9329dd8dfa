"""A study: made, asked for again, grown, resumed, and refused where it would mix what does not belong together."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from comparison.studies import recipe, results
from nearkin.comparison import compare
from nearkin.comparison.working import planned_runs
from nearkin.core import InputError


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.notes: list[str] = []
        self.steps = 0
        self.counts = (0, 0)

    def features(self, done: int, images: int) -> None: ...

    def planned(self, runs: int, finished: int) -> None:
        self.counts = (runs, finished)

    def step(self, step: object) -> None:
        self.steps += 1

    def finished(self, run: str, says: str) -> None:
        self.done.append(run)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small study, made once."""
    folder = tmp_path_factory.mktemp("made") / "study"
    compare(recipe(), folder)
    return folder


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Path:
    """A copy of it to change."""
    import shutil

    shutil.copytree(made, tmp_path / "study")
    return tmp_path / "study"


def records(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("runs/*/run.json"))]


def test_every_row_of_the_table_is_a_run(made: Path) -> None:
    cells = sorted((record["method"], record["seed"]) for record in records(made))
    assert cells == [("pixels", 0), *((name, seed) for name in ("siamese", "triplet", "untrained") for seed in (0, 1))]


def test_results_and_page_are_written(made: Path) -> None:
    found = json.loads((made / "results.json").read_text())
    assert {row["method"] for row in found["protocols"][0]["rows"]} == {"pixels", "siamese", "triplet", "untrained"}
    assert found["tuned"] is False
    assert (made / "report.html").read_text().startswith("<!doctype html>")


def test_the_records_of_a_query_name_its_image_and_its_neighbours(made: Path) -> None:
    split = json.loads((made / "splits" / "closed-set.json").read_text())
    for folder in made.glob("runs/*"):
        rows = list(csv.DictReader((folder / "records.csv").read_text().splitlines()))
        assert [int(row["query"]) for row in rows] == split["test"]
        for row in rows:
            near = row["neighbours"].split()
            assert row["query"] not in near
            assert set(map(int, near)) <= set(split["test"])
            assert len(near) == len(row["distances"].split()) == 10
        assert np.load(folder / "embeddings.npy").shape[0] == len(rows)
        scores = json.loads((folder / "run.json").read_text())["scores"]
        assert np.mean([float(row["ap@r"]) for row in rows]) == pytest.approx(scores["map@r"], abs=1e-12)


def test_methods_of_a_seed_start_with_the_same_weights_and_see_the_same_batches(made: Path) -> None:
    identities = [json.loads(path.read_text())["identity"] for path in made.glob("runs/*/training.json")]
    starts = {(identity["seed"], identity["initial weights"], identity["first batch"]) for identity in identities}
    assert len(identities) == 4
    assert len(starts) == 2


def test_no_results_hold_times(made: Path) -> None:
    assert "second" not in (made / "results.json").read_text()
    assert "second" not in (made / "results.csv").read_text()


def test_a_trained_run_says_where_its_time_went(made: Path) -> None:
    for record in records(made):
        assert set(record["shares"]) == ({"input", "network", "loss", "other"} if record["kind"] == "trained" else set())


def test_asking_again_costs_nothing_and_changes_nothing(study: Path) -> None:
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    heard = Heard()
    compare(recipe(), study, listener=heard)
    assert heard.counts == (7, 7)
    assert not heard.done
    assert {path: path.read_bytes() for path in study.rglob("*") if path.is_file()} == before


def test_a_resumed_study_equals_one_that_was_never_stopped(made: Path, study: Path) -> None:
    import shutil

    for path in sorted(study.glob("runs/*"))[::2]:
        shutil.rmtree(path)
    for path in sorted(study.glob("runs/*"))[:1]:
        (path / "run.json").unlink()
    (study / "report.html").unlink()
    compare(recipe(), study)
    assert results(study) == results(made)
    assert (study / "results.json").read_bytes() == (made / "results.json").read_bytes()


def test_a_study_grows_by_methods_and_seeds(study: Path) -> None:
    heard = Heard()
    compare(recipe(methods=[{"name": "pairs", "loss": "n-pair"}], seeds=[0, 7]), study, listener=heard)
    assert sorted(heard.done) == [
        *(f"pairs, closed-set, seed {seed}" for seed in (0, 1, 7)),
        *(f"{name}, closed-set, seed 7" for name in ("siamese", "triplet", "untrained")),
    ]
    found = json.loads((study / "study.json").read_text())
    assert [method["name"] for method in found["methods"]] == ["untrained", "pixels", "siamese", "triplet", "pairs"]
    assert found["seeds"] == [0, 1, 7]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("protocols=class-disjoint", r'protocols was \["closed-set"\], now \["class-disjoint"\]'),
        ("training.steps=7", "training.steps was 6, now 7"),
        ("training.learning_rate=0.02", "training.learning_rate was 0.01, now 0.02"),
        ("network.embedding_size=3", "network.embedding_size was 4, now 3"),
        ("split.seed=1", "the closed-set split divides the images in another way"),
        ("data.limit_per_class=19", "the images or their labels are not the same"),
        ("primary=recall@1", 'primary was "map@r", now "recall@1"'),
        ("evaluation.knn=[3]", r"evaluation.knn was \[1\], now \[3\]"),
        ("methods.triplet.loss.margin=0.3", "methods? 'triplet' with other settings: loss.margin was 0.2, now 0.3"),
    ],
)
def test_another_design_in_the_same_folder_is_refused_with_the_difference(study: Path, change: str, words: str) -> None:
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=words):
        compare(recipe(change), study)
    assert {path: path.read_bytes() for path in study.rglob("*") if path.is_file() and path.name != ".opening"} == {
        path: content for path, content in before.items() if path.name != ".opening"
    }


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="has other files in it and is no study"):
        compare(recipe(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_changed_formula_is_not_mixed_with_old_runs(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nearkin.comparison import planning
    from nearkin.losses import Contrastive

    old = {record["key"] for record in records(study) if record["method"] == "siamese"}
    rows = Contrastive.rows
    monkeypatch.setattr(Contrastive, "rows", lambda self, block: rows(self, block)._replace(total=2 * rows(self, block).total))
    monkeypatch.delattr(Contrastive, "closed")  # the same equation written by hand, which would have to change with it
    planning._behaviour.cache_clear()
    heard = Heard()
    try:
        compare(recipe(), study, listener=heard)
    finally:
        planning._behaviour.cache_clear()
    assert heard.done == [f"siamese, closed-set, seed {seed}" for seed in (0, 1)]
    assert {path.name for path in (study / "superseded").iterdir()} == old
    assert len(heard.notes) == 2
    assert old.isdisjoint(record["key"] for record in records(study))


def test_a_run_whose_loss_is_no_number_is_told_and_the_others_are_compared(tmp_path: Path) -> None:
    methods = [{"name": "siamese", "loss": "contrastive"}, {"name": "wild", "loss": "comparison.wild_loss:Wild"}]
    outcome = compare(recipe(methods=methods, seeds=1), tmp_path / "study")
    (failed,) = outcome.failed
    assert failed[0].name == "wild, closed-set, seed 0"
    assert "not finite" in failed[1] or "loss is" in failed[1]
    assert outcome.summary.protocols[0].missing == (("wild", 0),)


def test_the_runs_of_a_study_have_keys_of_their_own(study: Path) -> None:
    from nearkin.comparison.study_folder import reopen

    keys = [run.key for run in planned_runs(reopen(study))]
    assert len(set(keys)) == len(keys) == 7
    assert set(keys) == {path.name for path in study.glob("runs/*")}
