"""Figures of a study on its page: read and checked, drawn as SVG in advance, escaped, readable by people and by machines."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from nearkin.core import InputError
from nearkin.report import build_report, summarise
from nearkin.report.figure_scale import scale_of
from nearkin.report.figures import Axis, read_figures
from nearkin.report.html_figures import figures as section

WORST = "</svg><script>document.title='run'</script>\"'&"


def panel(**changes: Any) -> dict[str, Any]:
    """A panel with one series of every kind, a mark and a vertical line."""
    return {
        "title": "A panel",
        "x": {"name": "distance", "unit": "metres", "scale": "linear", "low": 0.0, "high": 4.0},
        "y": {"name": "density", "unit": "", "scale": "linear", "low": 0.0, "high": 2.0},
        "series": [
            {"name": "measured", "kind": "steps", "x": [0, 1, 2], "y": [0.5, 1.5]},
            {"name": "cloud", "kind": "points", "x": [0, 2, 4], "y": [0, 1, 2]},
            {"name": "law", "kind": "line", "of": "measured", "x": [0, 4], "y": [2, 0]},
            {"name": "other law", "kind": "line", "label": "rho = 1", "x": [0, 4], "y": [1, 1]},
        ],
        "marks": [{"name": "A", "x": 2, "y": 1}],
        "verticals": [{"name": "expected", "x": 3}],
        **changes,
    }


def facts(name: str = "noise", **changes: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": name,
        "title": "Noise",
        "source": "document 9, figure 1",
        "says": "It is seen.",
        "panels": [panel()],
        "table": {"heads": ["Pairs", "Number", "Deviation"], "rows": [["all", 1400, 3e-16], ["few", None, 0.12345]]},
        **changes,
    }


def with_figures(folder: Path, *figures: dict[str, Any]) -> Path:
    """Give a study these figures, as `compare` writes them."""
    study = json.loads((folder / "study.json").read_text())
    study["figures"] = [figure["name"] for figure in figures]
    (folder / "study.json").write_text(json.dumps(study))
    (folder / "figures").mkdir(exist_ok=True)
    for figure in figures:
        (folder / "figures" / f"{figure['name']}.json").write_text(json.dumps(figure))
    return folder


def page_of(folder: Path) -> str:
    return build_report(folder).read_text()


def drawings(page: str) -> list[ElementTree.Element]:
    """The panels of the page, each parsed as XML."""
    found = re.findall(r"<svg viewBox=\"0 0 460 340\".*?</svg>", page, re.S)
    return [ElementTree.fromstring(svg) for svg in found]


def test_a_study_without_figures_has_the_page_that_it_always_had(small: Path) -> None:
    before = page_of(small)
    assert "figure" not in before.partition("<script type=")[0].replace("figure { break-inside", "").replace("tr, article, .card, figure", "")
    (small / "figures").mkdir()
    (small / "figures" / "noise.json").write_text("not asked for")
    assert page_of(small) == before


def test_the_page_has_every_figure_between_the_pictures_and_the_reading(small: Path) -> None:
    page = page_of(with_figures(small, facts(), facts("second", title="Another")))
    assert page.index('id="curves"') < page.index('id="figures"') < page.index('id="reading"')
    text = " ".join(Words(page).words)
    for said in ("Noise", "Another", "document 9, figure 1", "It is seen.", "A panel", "cloud", "law", "1,400", "0.123", "3\xa0×\xa010⁻¹⁶"):
        assert said in text
    assert len(drawings(page)) == 2


class Words(HTMLParser):
    """The text of a page outside its scripts, and the tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_drawing_has_a_title_and_a_description_of_its_own(small: Path) -> None:
    page = page_of(with_figures(small, facts(), facts("second")))
    ids = re.findall(r'id="(figure-[^"]*)"', page)
    assert len(ids) == len(set(ids)) == 4
    for svg in drawings(page):
        title, description = svg.find("title"), svg.find("desc")
        assert title is not None and description is not None
        assert svg.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        assert title.text == "A panel"
        assert description.text == "density against distance (metres): measured (2), cloud (3), law (2), other law (2)."


def test_values_stand_where_their_axes_say(small: Path) -> None:
    (svg,) = drawings(page_of(with_figures(small, facts())))
    shapes = {path.get("class"): path.get("d") for path in svg.findall("path")}
    (bottom, top), (left, right) = (284, 50), (50, 452)
    middle = ((left + right) / 2, (top + bottom) / 2)
    assert shapes["points second"] is not None
    assert shapes["points second"].startswith(f"M{left:.1f} {bottom:.1f}m")
    assert f"M{middle[0]:.1f} {middle[1]:.1f}m" in shapes["points second"]
    assert shapes["curve first"] == f"M{left:.1f} {top:.1f}L{right:.1f} {bottom:.1f}"
    assert shapes["curve dashed"] == f"M{left:.1f} {middle[1]:.1f}L{right:.1f} {middle[1]:.1f}"
    quarter = (bottom - top) / 4
    assert shapes["steps first"] == f"M50.0 284.0V{bottom - quarter:.1f}H150.5V{bottom - 3 * quarter:.1f}H251.0V284.0Z"
    (ring,) = svg.findall("circle")
    assert (float(ring.get("cx", "")), float(ring.get("cy", ""))) == middle
    texts = [text.text for text in svg.findall("text")]
    assert {"0", "1", "2", "3", "4", "distance (metres)", "density", "expected", "rho = 1", "A"} <= set(texts)


def test_the_key_has_every_name_once_with_a_sample_of_its_kind(small: Path) -> None:
    steps = [{"name": name, "kind": "steps", "x": [0, 1], "y": [1]} for name in ("one", "two", "pairs of two classes")]
    laws = [{"name": "law", "kind": "line", "of": name, "x": [0, 1], "y": [1, 1]} for name in ("one", "two")]
    page = page_of(with_figures(small, facts(panels=[panel(series=steps + laws)])))
    (key,) = re.findall(r'<ul class="samples">(.*?)</ul>', page)
    found = re.findall(r'<li><svg [^>]*><path class="([^"]*)"[^>]*></path></svg>([^<]*)</li>', key)
    assert found == [("steps first", "one"), ("steps third", "two"), ("steps second", "pairs of two classes"), ("curve", "law")]


def test_values_that_an_axis_cannot_hold_are_left_out(small: Path) -> None:
    axes = {"x": {"name": "x", "scale": "log"}, "y": {"name": "y", "scale": "linear", "high": 10}}
    cloud = {"name": "cloud", "kind": "points", "x": [0, -1, 1, 10, 100], "y": [1, 2, 3, 4, 50]}
    (svg,) = drawings(page_of(with_figures(small, facts(panels=[panel(**axes, series=[cloud])]))))
    shape = next(path.get("d", "") for path in svg.findall("path") if path.get("class") == "points first")
    assert shape.count("M") == 2
    assert "nan" not in shape


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("low", "high"), [(0.013, 0.4), (1, 1), (3e-9, 2e7), (0.2, 0.21), (12.0, 4e5)])
def test_ticks_are_round_and_inside_and_the_scale_holds_all(low: float, high: float, log: bool) -> None:
    scale = scale_of(Axis("x", "", log, None, None), [np.array([low, high])], 0, 100)
    assert 0 < scale.place(low) <= scale.place(high) < 100
    ticks = [value for value, _ in scale.ticks()]
    assert 2 <= len(ticks) <= 20
    assert ticks == sorted(set(ticks))
    assert all(-0.1 <= float(scale.place(tick)) <= 100.1 for tick in ticks)


def test_names_are_text_and_nothing_else(small: Path) -> None:
    series = [{"name": WORST, "kind": "points", "x": [1, 2], "y": [1, 2]}, {"name": WORST * 2, "label": WORST, "kind": "line", "x": [0, 1], "y": [0, 1]}]
    worst = panel(
        title=WORST,
        x={"name": WORST, "unit": WORST, "scale": "linear"},
        series=series,
        marks=[{"name": WORST, "x": 1, "y": 1}],
        verticals=[{"name": WORST, "x": 1}],
    )
    table = {"heads": [WORST, WORST], "rows": [[WORST, WORST]]}
    page = page_of(with_figures(small, facts(title=WORST, source=WORST, says=WORST, panels=[worst], table=table)))
    plain = Words(page_of(with_figures(small, facts())))
    assert Words(page).tags.count("script") == plain.tags.count("script")
    (svg,) = drawings(page)
    assert {element.tag for element in svg.iter()} == {"svg", "title", "desc", "path", "text", "circle"}
    assert [text.text for text in svg.findall("text")].count(WORST) == 4 - 1


def test_a_figure_that_is_not_made_yet_is_said(small: Path) -> None:
    folder = with_figures(small, facts(), facts("later"))
    (folder / "figures" / "later.json").unlink()
    assert "Not made yet: later; run the study to its end." in section(summarise(folder))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"panels": [panel(series=[{"name": "a", "kind": "bars", "x": [], "y": []}])]}, "'kind' must be one of points, line, steps, got 'bars'"),
        ({"panels": [panel(series=[{"name": "a", "kind": "line", "x": [1], "y": []}])]}, "series 'a' has 1 values of x and 0 of y"),
        ({"panels": [panel(series=[{"name": "a", "kind": "line", "x": ["b"], "y": [1]}])]}, "'x' must be a list of finite numbers"),
        ({"panels": [panel(series=[{"name": "a", "kind": "line", "x": [[1]], "y": [1]}])]}, "'x' must be a list of finite numbers"),
        ({"panels": [panel(x={"name": "d", "scale": "cubic"})]}, "'scale' must be one of linear, log, got 'cubic'"),
        ({"panels": [panel(x={"name": "d", "scale": "log", "low": 0})]}, "above 0 where it is logarithmic; got 0.0 to None"),
        ({"panels": [panel(y={"name": "d", "scale": "linear", "low": 2, "high": 1})]}, "from low to high"),
        ({"panels": [3]}, "'panels' must be a list of objects"),
        ({"table": {"heads": ["a"], "rows": [["b", 1]]}}, "every row of the table must be 1 texts or numbers"),
        ({"table": {"heads": ["a"], "rows": [[{}]]}}, "every row of the table must be 1 texts or numbers"),
        ({"says": None}, "field 'says' must be str"),
        ({"schema": 2}, "newer than this nearkin reads"),
    ],
)
def test_a_damaged_figure_is_refused_and_named(small: Path, changes: dict[str, Any], words: str) -> None:
    folder = with_figures(small, facts(**changes))
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        summarise(folder)
    assert "noise.json" in str(caught.value)


def test_a_figure_with_a_path_for_a_name_is_not_opened(small: Path) -> None:
    with pytest.raises(InputError, match="a figure must be a plain name"):
        read_figures(small, ["../noise"])
