"""Trials that follow from the trials before them: the same whoever makes them, however often that is interrupted."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comparison.studies import recipe, results
from nearkin.comparison import Recipe, Silent, compare
from nearkin.comparison.study_folder import open_study
from nearkin.comparison.suggesting import FAILED, suggestion
from nearkin.comparison.tuning import chain, trials
from nearkin.comparison.tuning_store import NAME, study_name
from nearkin.core import MissingExtra

optuna = pytest.importorskip("optuna")

RATE = {"training.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}
SPACE = {**RATE, "loss.margin": [0.5, 1.0, 2.0], "network.normalize": [False, True]}


def tpe(count: int = 5) -> Recipe:
    methods = [{"name": "siamese", "loss": "contrastive", "search": {"loss.margin": [0.5, 1.0, 2.0]}}, "triplet"]
    return recipe(methods=methods, tuning={"trials": count, "search": RATE, "sampler": "tpe"}, seeds=1)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuned") / "study"
    compare(tpe(), folder)
    return folder


def rows(study: Path) -> list[dict[str, str]]:
    return [row for row in csv.DictReader((study / "validation.csv").read_text().splitlines()) if row["kind"] == "trial"]


def test_every_method_has_equally_many_different_trials(study: Path) -> None:
    for name in ("siamese", "triplet"):
        mine = [row for row in rows(study) if row["method"] == name]
        assert [int(row["trial"]) for row in mine] == list(range(5))
        assert len({row["settings"] for row in mine}) == 5


def test_the_first_trials_are_the_recipes_own_and_those_of_random(study: Path, tmp_path: Path) -> None:
    drawn = open_study(recipe(methods=["triplet"], tuning={"trials": 5, "search": RATE}, seeds=1), tmp_path / "random")
    mine = [json.loads(row["settings"]) for row in rows(study) if row["method"] == "triplet"]
    random = [run.method.settings() for run in trials(drawn)]
    assert mine[:3] == random[:3]
    assert mine[3:] != random[3:]


def test_the_spread_of_the_trials_is_in_the_results(study: Path) -> None:
    (protocol,) = json.loads((study / "results.json").read_text())["protocols"]
    for found in protocol["trials"]:
        mine = {row["trial"]: float(row["validation"]) for row in rows(study) if row["method"] == found["method"]}
        assert found["scores"] == pytest.approx(mine)
        assert (found["lowest"], found["highest"]) == pytest.approx((min(mine.values()), max(mine.values())))
        assert "training.learning_rate" in found["settings"]
    assert {found["method"] for found in protocol["trials"]} == {"siamese", "triplet"}


class Stopping(Silent):
    """Stops the study like Ctrl-C when so many runs have been heard of."""

    def __init__(self, runs: int) -> None:
        self.left = runs

    def finished(self, run: str, says: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_interruptions_and_more_processes_change_no_bit(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    stops = 0
    while True:
        try:
            compare(tpe(), tmp_path / "stopped", listener=Stopping(3))
            break
        except KeyboardInterrupt:
            stops += 1
    assert stops >= 3
    compare(tpe(), tmp_path / "two", jobs=2)
    for folder in ("stopped", "two"):
        assert results(tmp_path / folder) == results(study)
        assert len(list((tmp_path / folder / "trials").iterdir())) == 10


def test_a_trial_follows_from_those_before_it_alone(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "study")
    opened = open_study(tpe(), tmp_path / "study")
    (siamese, triplet) = opened.recipe.methods
    before, other = chain(opened, triplet, "closed-set"), chain(opened, siamese, "closed-set")
    before[3].folder.joinpath("run.json").unlink()
    assert len(chain(opened, triplet, "closed-set")) == 4, "trial 3 is settled, what follows it is not"
    following = set()
    for best in range(3):
        for number, run in enumerate(before[:3]):
            told = json.loads((run.folder / "run.json").read_text())
            score = 0.9 if number == best else 0.1 + number / 100
            (run.folder / "run.json").write_text(json.dumps({**told, "validation": score}))
        after = chain(opened, triplet, "closed-set")
        assert [run.key for run in after[:3]] == [run.key for run in before[:3]]
        following.add(after[3].key)
    assert len(following) > 1
    assert [run.key for run in chain(opened, siamese, "closed-set")] == [run.key for run in other]


def test_a_suggestion_depends_on_nothing_but_its_arguments() -> None:
    history = [({"training.learning_rate": 10.0**-power, "loss.margin": 0.5, "network.normalize": True}, 0.1 * power) for power in (1, 2, 3)]
    first = suggestion(SPACE, history, 7)
    suggestion(SPACE, history[:2], 8)
    np.random.default_rng().random()
    assert suggestion(SPACE, list(history), 7) == first
    assert suggestion(SPACE, history, 8) != first
    assert any(suggestion(SPACE, [*history[:2], (history[2][0], -0.5)], seed) != suggestion(SPACE, history, seed) for seed in range(9))


def test_suggestions_are_of_the_space() -> None:
    history: list[tuple[dict[str, Any], float]] = []
    for number in range(30):
        values = suggestion(SPACE, history, number)
        assert set(values) == set(SPACE)
        assert 1e-4 <= values["training.learning_rate"] <= 1e-1
        assert values["training.learning_rate"] == float(f"{values['training.learning_rate']:.6g}")
        assert values["loss.margin"] in SPACE["loss.margin"]
        assert values["network.normalize"] in (False, True)
        history.append((values, float(number % 3)))
    assert {values["network.normalize"] for values, _ in history} == {False, True}


def test_lists_may_hold_whole_sections_and_odd_trials_teach_nothing() -> None:
    space = {"loss.mining": [{"name": "random", "count": 2}, "all", None]}
    history = [({"loss.mining": "all"}, 0.5), ({"loss.mining": "elsewhere"}, 0.9), ({}, 0.9), ({"loss.mining": None}, FAILED)]
    found = [suggestion(space, history, seed)["loss.mining"] for seed in range(20)]
    assert all(value in space["loss.mining"] for value in found)
    assert {"name": "random", "count": 2} in [suggestion(space, [], seed)["loss.mining"] for seed in range(20)]
    assert [suggestion(space, history[:1] + history[3:], seed)["loss.mining"] for seed in range(20)] == found


def test_the_estimator_finds_a_peak_better_than_chance() -> None:
    def score(values: dict[str, Any]) -> float:
        return -abs(np.log10(values["training.learning_rate"]) + 2.3) - (values["loss.margin"] != 1.0) - values["network.normalize"]

    def best(seed: int) -> float:
        history: list[tuple[dict[str, Any], float]] = []
        for number in range(30):
            values = suggestion(SPACE, history if number >= 5 else [], seed * 100 + number)
            history.append((values, score(values)))
        return max(found for _, found in history)

    rng = np.random.default_rng(0)
    chance = [
        max(
            score({"training.learning_rate": 10 ** rng.uniform(-4, -1), "loss.margin": rng.choice([0.5, 1, 2]), "network.normalize": rng.random() < 0.5})
            for _ in range(30)
        )
        for _ in range(200)
    ]
    assert np.median([best(seed) for seed in range(5)]) > np.median(chance)


def stored(folder: Path) -> dict[str, list[tuple[Any, Any]]]:
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / NAME}")
    try:
        names = optuna.study.get_all_study_names(storage)
        loaded = {name: optuna.load_study(study_name=name, storage=storage).get_trials() for name in names}
        return {name: [(trial.value, trial.user_attrs["trial"]) for trial in found] for name, found in loaded.items()}
    finally:
        storage.engine.dispose()


def expected(study: Path) -> dict[str, list[tuple[Any, Any]]]:
    found: dict[str, list[tuple[Any, Any]]] = {}
    for row in rows(study):
        found.setdefault(study_name(row["method"], row["protocol"]), []).append((float(row["validation"]), int(row["trial"])))
    return found


def test_optuna_can_read_the_trials(study: Path) -> None:
    assert stored(study) == expected(study)


def spoil_trials(path: Path) -> None:
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    name = optuna.study.get_all_study_names(storage)[0]
    optuna.load_study(study_name=name, storage=storage).add_trial(optuna.create_trial(value=5.0, user_attrs={"run": "x", "trial": 9}))
    optuna.delete_study(study_name=optuna.study.get_all_study_names(storage)[1], storage=storage)
    storage.engine.dispose()


@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        lambda path: path.write_bytes(b"no database" * 500),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        spoil_trials,
    ],
    ids=["deleted", "foreign", "cut off", "other trials"],
)
def test_a_damaged_table_of_trials_is_written_anew(study: Path, tmp_path: Path, spoil: Any) -> None:
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    spoil(folder / NAME)
    compare(tpe(), folder)
    assert stored(folder) == expected(study)
    assert (folder / "validation.csv").read_bytes() == (study / "validation.csv").read_bytes()


def test_failed_trials_count_and_are_never_chosen(tmp_path: Path) -> None:
    method = {"name": "own", "loss": "comparison.wild_loss:Wild", "search": {"loss.calls": [3, 1000]}}
    outcome = compare(recipe(methods=[method], tuning={"trials": 5, "sampler": "tpe"}, seeds=1), tmp_path / "study")
    found = rows(tmp_path / "study")
    assert len(found) == 5
    assert {row["validation"] == "" for row in found} == {True, False}
    assert outcome.failed == ()
    (told,) = stored(tmp_path / "study").values()
    assert [value for value, _ in told] == [float(row["validation"] or FAILED) for row in found]
    assert FAILED < 0


def test_without_optuna_the_extra_is_named_before_anything_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Absent:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            if name == "optuna":
                raise ModuleNotFoundError("No module named 'optuna'", name="optuna")

    for module in [name for name in sys.modules if name.partition(".")[0] == "optuna"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [Absent, *sys.meta_path])
    with pytest.raises(MissingExtra, match=r"tuning by sampler: tpe needs 'optuna'.*nearkin\[tune\]"):
        compare(tpe(), tmp_path / "study")
    assert not (tmp_path / "study" / "trials").exists()
    compare(recipe(tuning={"trials": 1, "search": RATE}, seeds=1), tmp_path / "random")
