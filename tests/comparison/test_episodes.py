"""Episodes in a study: every run meets the same ones, the report's intervals and differences are over them."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from cli.commands import nearkin
from comparison.studies import recipe, section
from nearkin.comparison import RecipeError, check_recipe, compare
from nearkin.comparison.episode_sizes import drawn
from nearkin.comparison.study import prepare
from nearkin.core import InputError
from nearkin.data import ImageSet, load_images, make_split
from nearkin.evaluation import draw_episodes, judge_episodes
from nearkin.report import summarise, to_table
from nearkin.statistics import difference, interval
from oracles.episodes import named_rightly

SIZES = [{"ways": 4, "shots": 1, "episodes": 60}, {"ways": 3, "shots": 4, "queries": 2, "episodes": 40}]
WITHIN = {"ways": 2, "shots": 2, "episodes": 40, "within": "family"}
SPLIT = {"test_share": 0.6, "validation_share": 0.0, "seed": 3}
EVALUATION = {"at": [1], "knn": [1], "clustering": False, "episodes": [*SIZES, WITHIN]}


def drawings() -> ImageSet:
    """Digits whose classes have families: even/0, odd/1, ..."""
    images = load_images("digits", limit_per_class=20)
    return replace(
        images, classes=tuple(f"{'even' if int(name) % 2 == 0 else 'odd'}/{name}" for name in images.classes)
    )


def episode_recipe(*changes: str, **parts: Any) -> Any:
    training = {"steps": 4, "classes_per_batch": 2, "images_per_class": 3, "validate_every": 2}
    given = {"protocols": ["class-disjoint"], "split": SPLIT, "training": training, "evaluation": EVALUATION}
    return recipe(*changes, **{**given, "primary": "episodes@4x1", "baseline": "siamese", **parts})


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("episodes") / "study"
    outcome = compare(episode_recipe(), folder, images=drawings())
    assert not outcome.failed
    return folder


def runs_of(folder: Path) -> dict[tuple[str, int], tuple[dict[str, Any], Path]]:
    runs = [(json.loads(path.read_text()), path.parent) for path in folder.glob("runs/*/run.json")]
    return {(run["method"], run["seed"]): (run, place) for run, place in runs}


def columns_of(folder: Path) -> dict[str, np.ndarray]:
    with open(folder / "episodes.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    columns = dict(zip(header, zip(*rows), strict=True))
    return {name: np.array([float(cell) for cell in cells if cell]) for name, cells in columns.items()}


def test_a_run_has_the_accuracy_of_each_episode_of_each_size(study: Path) -> None:
    images = drawings()
    split = make_split(images, "class-disjoint", **SPLIT)
    labels = images.labels[split.test]
    families = np.array([images.classes[label].split("/")[0] for label in labels])
    for run, folder in runs_of(study).values():
        rows, columns = np.load(folder / "embeddings.npy").astype(np.float64), columns_of(folder)
        for size in EVALUATION["episodes"]:
            options = {name: value for name, value in size.items() if name != "within"}
            draw = draw_episodes(labels, within=families if "within" in size else None, seed=3, **options)
            name = f"episodes@{size['ways']}x{size['shots']}" + ("-within-family" if "within" in size else "")
            np.testing.assert_allclose(columns[name], judge_episodes(rows, draw, distance=run["distance"]).accuracies)
            assert run["scores"][name] == pytest.approx(columns[name].mean())
            slow = named_rightly(
                rows.tolist(), draw.support[0].tolist(), draw.queries[0].tolist(), run["distance"], "prototypes"
            )
            assert columns[name][0] == pytest.approx(np.mean(slow))


def test_intervals_and_differences_are_over_episodes_and_seeds(study: Path) -> None:
    runs = runs_of(study)
    tables = {
        method: np.stack([columns_of(runs[method, seed][1])["episodes@4x1"] for seed in (0, 1)])
        for method in ("siamese", "triplet")
    }
    (protocol,) = json.loads((study / "results.json").read_text())["protocols"]
    rows = {row["method"]: row for row in protocol["rows"]}
    for method, table in tables.items():
        wanted = interval(table, np.zeros(60, dtype=int), over="episodes")
        found = rows[method]["scores"]["episodes@4x1"]
        assert (found["over"], found["units"]) == ("episodes and seeds", 60)
        assert (found["estimate"], found["low"], found["high"]) == pytest.approx(
            (wanted.estimate, wanted.low, wanted.high)
        )
    apart = difference(tables["triplet"], tables["siamese"], np.zeros(60, dtype=int), over="episodes")
    found = rows["triplet"]["difference"]
    assert (found["estimate"], found["low"], found["p"]) == pytest.approx((apart.estimate, apart.low, apart.p))
    assert rows["pixels"]["scores"]["episodes@4x1"]["over"] == "episodes"
    assert rows["pixels"]["classes"] == {}


def test_page_and_terminal_show_every_size(study: Path) -> None:
    page = (study / "report.html").read_text("utf-8")
    console = Console(width=80)
    with console.capture() as capture:
        console.print(to_table(summarise(study)))
    shown = capture.get()
    for words in ("4-way 1-shot", "3-way 4-shot", "2-way 2-shot", "within a family", "other episodes of these images"):
        assert words in page
    assert re.search(r"4-way +3-way +2-way", shown) and re.search(r"1-shot +4-shot +2-shot", shown)
    assert shown.count("within a family") == 4 and shown.count("all classes") == 4


def test_evaluate_gives_a_run_s_numbers_again(study: Path) -> None:
    images = drawings()
    split = make_split(images, "class-disjoint", **SPLIT)
    run, folder = runs_of(study)["triplet", 0]
    result = nearkin("evaluate", folder, "--episodes", "2x2", "--within", "family", "--no-clustering", "--json")
    (found,) = json.loads(result.stdout)["episodes"]
    labels = [images.classes[label] for label in images.labels[split.test]]
    place = {name: code for code, name in enumerate(dict.fromkeys(labels))}
    draw = draw_episodes(
        [place[name] for name in labels], ways=2, shots=2, within=[name.split("/")[0] for name in labels]
    )
    wanted = judge_episodes(np.load(folder / "embeddings.npy"), draw, distance=run["distance"])
    assert found["within"] and found["accuracy"] == pytest.approx(wanted.accuracy)


def test_validation_may_choose_by_episodes(tmp_path: Path) -> None:
    size = {"ways": 2, "shots": 1, "queries": 3, "episodes": 7}
    chosen = episode_recipe(
        "seeds=1",
        split={**SPLIT, "validation_share": 0.2},
        evaluation={**EVALUATION, "episodes": [size]},
        primary="episodes@2x1",
    )
    compare(chosen, tmp_path, images=drawings())
    best = runs_of(tmp_path)["triplet", 0][0]["best_validation"]
    assert best * 42 == pytest.approx(round(best * 42)) and 0 < best <= 1


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"evaluation": {"episodes": {"ways": 2}}}, "must be a list of sizes"),
        ({"evaluation": {"episodes": [{"wayz": 2}]}}, "did you mean 'ways'"),
        ({"evaluation": {"episodes": [{"ways": 1}]}}, "ways must be a whole number of at least 2"),
        ({"evaluation": {"episodes": [{"within": "alphabet"}]}}, "'group' or 'family'|one of"),
        ({"evaluation": {"episodes": [{"ways": 2}, {"ways": 2, "queries": 3}]}}, "named twice"),
        ({"evaluation": {"episodes": [{"ways": 2}]}, "primary": "episodes@3x1"}, "primary"),
        ({"evaluation": {"episodes": [{"ways": 2}]}, "protocols": ["few-shot"]}, "drawn among test images"),
    ],
)
def test_mistakes_are_said_before_anything_is_trained(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        check_recipe(section(**parts))


@pytest.mark.parametrize(
    ("size", "validation", "words"),
    [
        ({"ways": 7}, 0.0, "class-disjoint, test images: evaluation.episodes, episodes@7x1"),
        ({"ways": 4}, 0.2, "class-disjoint, validation images: evaluation.episodes, episodes@4x1"),
        ({"ways": 2, "within": "group"}, 0.0, "have no groups"),
    ],
)
def test_episodes_that_the_images_do_not_allow_are_refused(size: dict[str, Any], validation: float, words: str) -> None:
    sizes = [{**size, "shots": 1}]
    primary = f"episodes@{size['ways']}x1" + ("-within-group" if "within" in size else "")
    asked = episode_recipe(
        split={**SPLIT, "validation_share": validation}, evaluation={**EVALUATION, "episodes": sizes}, primary=primary
    )
    with pytest.raises(InputError, match=words):
        prepare(asked, drawings())


def test_classes_without_families_and_groups_of_images() -> None:
    asked = episode_recipe(evaluation={**EVALUATION, "episodes": [{**WITHIN}]}, primary="recall@1")
    with pytest.raises(InputError, match="'0' has no family"):
        prepare(asked, load_images("digits", limit_per_class=20))
    images = drawings()
    grouped = replace(images, groups=images.labels % 2, group_names=("even", "odd"))
    size = {"queries": 5, **WITHIN, "within": "group"}
    draw = drawn(size, grouped, np.arange(50, 200), seed=0)
    assert set(draw.groups) == {"even", "odd"}
    for group, labels in zip(draw.groups, draw.labels, strict=True):
        assert {label % 2 for label in labels.tolist()} == {("even", "odd").index(group)}
    assert draw.support.max() < 150


def test_a_recipe_without_episodes_is_written_as_before() -> None:
    assert "episodes" not in recipe().evaluation and "episodes" not in recipe("evaluation.episodes=[]").evaluation
    assert check_recipe(episode_recipe().as_section()) == episode_recipe()


def test_damaged_episodes_are_named(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "study")
    _, folder = runs_of(tmp_path / "study")["triplet", 0]
    whole = (folder / "episodes.csv").read_text()
    (folder / "episodes.csv").write_text(re.sub(r"^0,[^,]*", "0,0.123", whole, flags=re.M))
    with pytest.raises(InputError, match="says episodes@4x1"):
        summarise(tmp_path / "study")
    (folder / "episodes.csv").write_text("\n".join(whole.splitlines()[:50]) + "\n")
    with pytest.raises(InputError, match="disagree about the episodes"):
        summarise(tmp_path / "study")
