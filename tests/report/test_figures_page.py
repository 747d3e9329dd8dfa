"""The figures of a page in a real browser: without scripts, on a desk by day and on a telephone by night."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from report.test_figures import facts, panel, with_figures
from report.test_page import browser  # noqa: F401

pytestmark = pytest.mark.browser

LONG = "a name without an end and then a_word_that_has_no_place_to_break_and_goes_on_and_on_and_on"


@pytest.fixture(params=[(1440, "light"), (390, "dark")], ids=["desk", "phone"])
def tab(request: pytest.FixtureRequest, browser: Any, small: Path) -> Iterator[Any]:  # noqa: F811
    from nearkin.report import build_report

    long = panel(title=LONG, series=[{"name": LONG, "kind": "points", "x": [1, 2], "y": [1, 2]}])
    page = build_report(with_figures(small, facts(), facts("two", panels=[panel(), panel(), long], says=LONG)))
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    opened = context.new_page()
    opened.complaints = []
    opened.on("console", lambda message: opened.complaints.append(message.text) if message.type in ("error", "warning") else None)
    opened.goto(page.as_uri())
    opened.wait_for_selector("body[data-shown='0']")
    yield opened
    context.close()


def test_nothing_is_wider_than_the_window_and_nothing_is_complained_of(tab: Any) -> None:
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    drawn = tab.locator("#figures figure > svg")
    assert drawn.count() == 4
    for place in range(4):
        box = drawn.nth(place).bounding_box()
        assert box["width"] > 300
        assert box["x"] + box["width"] <= tab.viewport_size["width"]
    assert tab.complaints == []


def test_letters_are_large_enough_to_be_read(tab: Any) -> None:
    heights = tab.eval_on_selector_all("#figures figure > svg text", "texts => texts.map(text => text.getBoundingClientRect().height)")
    assert min(heights) > 12


def test_colours_are_those_of_the_scheme(tab: Any) -> None:
    stroke = "name => getComputedStyle(document.querySelector(`#figures figure > svg .${name}`)).stroke"
    night = tab.viewport_size["width"] == 390
    assert tab.evaluate(stroke, "points") == ("rgb(224, 164, 80)" if night else "rgb(208, 138, 46)")
    assert tab.evaluate(stroke, "curve.first") == ("rgb(106, 169, 240)" if night else "rgb(42, 111, 187)")
    assert tab.evaluate("getComputedStyle(document.querySelector('#figures text')).fill") != tab.evaluate("getComputedStyle(document.body).backgroundColor")


def test_key_numbers_open_as_a_table(tab: Any) -> None:
    table = tab.locator("#figures details").first
    assert not table.locator("td").first.is_visible()
    table.locator("summary").click()
    assert table.locator("tbody tr").first.inner_text().split("\t") == ["all", "1,400", "3\xa0×\xa010⁻¹⁶"]


def test_a_drawing_is_an_image_with_a_name_for_those_who_listen(tab: Any) -> None:
    found = tab.get_by_role("img", name="A panel")
    assert found.count() == 3
