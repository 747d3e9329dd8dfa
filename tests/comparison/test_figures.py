"""A recipe asks for figures by name; a study writes their numbers, the same each time, and the page shows them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from comparison.studies import recipe, section
from nearkin.comparison import RecipeError, check_recipe, compare
from nearkin.comparison.figures import FIGURES


def figures(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in folder.glob("figures/*.json")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures") / "study"
    compare(recipe(figures=list(FIGURES)), folder)
    return folder


def test_figures_are_part_of_a_recipe_only_where_they_are_asked_for() -> None:
    assert "figures" not in recipe().as_section()
    asked = recipe(figures=["snr-noise", "euclidean-snr"])
    assert asked.figures == ("snr-noise", "euclidean-snr")
    assert check_recipe(asked.as_section()) == asked
    assert recipe(figures="snr-noise").figures == ("snr-noise",)
    assert recipe(figures=[]) == recipe()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["snr-nose"], "figures: unknown figure 'snr-nose'; did you mean 'snr-noise'? (nearkin list figures)"),
        ([3], "figures: unknown figure 3"),
        ([["snr-noise"]], "figures: unknown figure ['snr-noise']"),
        ({"snr-noise": 1}, "figures: must be a figure's name or a list of them, got {'snr-noise': 1}"),
        (3, "figures: must be a figure's name or a list of them, got 3"),
        (["snr-noise", "snr-noise"], "figures: one is named twice: snr-noise, snr-noise"),
    ],
)
def test_a_wrong_figure_is_refused_in_words(given: object, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        check_recipe(section(figures=given))
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(words)


def test_a_study_writes_the_figures_of_its_recipe(made: Path) -> None:
    found = {name: json.loads(text) for name, text in figures(made).items()}
    assert set(found) == set(FIGURES)
    assert json.loads((made / "study.json").read_text())["figures"] == list(FIGURES)
    for name, facts in found.items():
        assert (facts["schema"], facts["name"], facts["source"]) == (1, name, FIGURES[name].source)
        assert (facts["rows"] is not None) == FIGURES[name].real
    for rows in (found[name]["rows"] for name in ("euclidean-snr", "snr-correlation")):
        assert (rows["method"], rows["seed"]) == ("siamese", 0)
        assert (made / "runs" / rows["run"] / "run.json").exists()
    assert len(found["euclidean-snr"]["panels"]) == 2
    page = (made / "report.html").read_text()
    assert all(facts["title"] in page for facts in found.values())


def test_the_same_recipe_gives_the_same_figures(made: Path, tmp_path: Path) -> None:
    compare(recipe(figures=list(FIGURES)), tmp_path / "again")
    assert figures(tmp_path / "again") == figures(made)


def test_figures_are_asked_for_later_and_a_study_grows_without_losing_them(tmp_path: Path) -> None:
    small = {"methods": [{"name": "siamese", "loss": "contrastive"}], "seeds": 1}
    compare(recipe(**small), tmp_path / "study")
    assert "figures" not in json.loads((tmp_path / "study" / "study.json").read_text())
    assert not (tmp_path / "study" / "figures").exists()
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("study/runs/*/run.json")}
    compare(recipe(figures=["snr-noise"], **small), tmp_path / "study")
    compare(recipe(figures=["snr-correlation"], **small), tmp_path / "study")
    compare(recipe(**small), tmp_path / "study")
    assert json.loads((tmp_path / "study" / "study.json").read_text())["figures"] == ["snr-noise", "snr-correlation"]
    assert set(figures(tmp_path / "study")) == {"snr-noise", "snr-correlation"}
    assert made == {path: path.stat().st_mtime_ns for path in tmp_path.glob("study/runs/*/run.json")}
