"""The page in a real browser: it asks for nothing, shows images, marks them everywhere, and can be used by keyboard."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nearkin.report import build_report

pytestmark = pytest.mark.browser

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None

CHROMIUM = (
    os.environ.get("CHROMIUM")
    or shutil.which("chromium")
    or shutil.which("chromium-browser")
    or shutil.which("google-chrome")
)
TEN_MEGABYTES = 10_000_000


class Seen:
    """An opened page with what it asked for and complained about."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab
        self.requests: list[str] = []
        self.complaints: list[str] = []
        tab.on("request", lambda request: self.requests.append(request.url))
        tab.on(
            "console",
            lambda message: self.complaints.append(message.text) if message.type in ("error", "warning") else None,
        )
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: Path) -> Seen:
        self.tab.goto(path.as_uri())
        self.tab.wait_for_selector("body[data-shown='0']")
        return self

    def marked(self) -> list[str]:
        """The number of the marked image in every map."""
        return self.tab.eval_on_selector_all(".map", "maps => maps.map(map => map.dataset.marked)")

    def point_at_an_image(self, number: int = 0) -> None:
        """Move the pointer over a map until it meets an image."""
        canvas = self.tab.locator("canvas.points").nth(number)
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        for step in range(400):
            self.tab.mouse.move(
                box["x"] + box["width"] * (0.1 + 0.04 * (step % 20)),
                box["y"] + box["height"] * (0.1 + 0.04 * (step // 20)),
            )
            if self.marked()[number]:
                return
        pytest.fail("the pointer met no image in the whole map")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if sync_playwright is None:
        pytest.skip("the package playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium was found; set CHROMIUM to its path")
    with sync_playwright() as player:
        opened = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(params=[(1440, "light"), (390, "dark")], ids=["desk", "phone"])
def seen(request: pytest.FixtureRequest, browser: Any, page: Path) -> Iterator[Seen]:
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    yield Seen(context.new_page()).open(page)
    context.close()


@pytest.fixture
def desk(browser: Any) -> Iterator[Seen]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield Seen(context.new_page())
    context.close()


def test_it_asks_for_itself_only_and_complains_of_nothing(seen: Seen, page: Path) -> None:
    seen.point_at_an_image()
    seen.tab.locator(".switch button").nth(1).click()
    seen.tab.wait_for_selector("body[data-shown='1']")
    assert seen.requests == [page.as_uri()]
    assert seen.complaints == []
    assert page.stat().st_size < TEN_MEGABYTES


def test_nothing_is_wider_than_the_window(seen: Seen, worst_page: Path) -> None:
    assert seen.tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    seen.open(worst_page)
    assert seen.tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_long_path_of_the_data_is_broken(seen: Seen, small: Path) -> None:
    facts = json.loads((small / "study.json").read_text())
    facts["data"]["source"] = "/a/" + "folder_that_has_a_long_name/" * 9
    (small / "study.json").write_text(json.dumps(facts))
    seen.open(build_report(small))
    assert seen.tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_hover_shows_the_image_and_marks_it_in_every_map(seen: Seen) -> None:
    assert not seen.tab.locator("#tooltip").is_visible()
    seen.point_at_an_image(1)
    marks = seen.marked()
    assert len(marks) == 8
    assert len(set(marks)) == 1
    assert seen.tab.locator("#tooltip").is_visible()
    drawn = "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
    assert seen.tab.locator("#tooltip canvas").evaluate(drawn) > 3
    assert seen.tab.locator(".near li").count() == 8 * 5
    box, tip = seen.tab.locator("canvas.points").nth(1).bounding_box(), seen.tab.locator("#tooltip").bounding_box()
    assert tip["x"] >= 0
    assert tip["x"] + tip["width"] <= seen.tab.viewport_size["width"]
    assert box is not None


def test_a_click_keeps_the_mark_and_escape_lets_go(desk: Seen, page: Path) -> None:
    desk.open(page).point_at_an_image()
    desk.tab.mouse.down()
    desk.tab.mouse.up()
    kept = desk.marked()
    desk.tab.mouse.move(2, 2)
    assert desk.marked() == kept
    assert kept[0]
    desk.tab.keyboard.press("Escape")
    assert desk.marked() == [""] * 8


def test_the_maps_work_by_keyboard_and_speak(desk: Seen, page: Path) -> None:
    desk.open(page)
    desk.tab.locator("canvas.points").first.focus()
    desk.tab.keyboard.press("ArrowRight")
    first = desk.marked()
    assert first[0]
    assert len(set(first)) == 1
    desk.tab.keyboard.press("ArrowRight")
    assert desk.marked() != first
    spoken = desk.tab.locator("#spoken").inner_text()
    assert spoken.startswith("digits/")
    assert "Nearest by" in spoken
    desk.tab.keyboard.press("+")
    assert "zoomed" in desk.tab.locator(".map").first.get_attribute("class")
    assert "zoomed" not in desk.tab.locator(".map").nth(1).get_attribute("class")
    desk.tab.keyboard.press("0")
    assert "zoomed" not in desk.tab.locator(".map").first.get_attribute("class")
    desk.tab.keyboard.press("Enter")
    desk.tab.keyboard.press("Tab")
    assert desk.marked()[0]
    rows = desk.tab.locator("#marked tbody tr")
    assert rows.count() == 8


def test_arrows_move_the_way_they_point(desk: Seen, page: Path) -> None:
    desk.open(page)
    desk.tab.locator("canvas.points").first.focus()
    place = "() => { const ring = document.querySelector('canvas.marks'); const data = ring.getContext('2d').getImageData(0, 0, ring.width, ring.height).data; let x = 0, y = 0, n = 0; for (let i = 3; i < data.length; i += 4) if (data[i]) { x += (i >> 2) % ring.width; y += Math.floor((i >> 2) / ring.width); n++; } return [x / n, y / n]; }"
    desk.tab.keyboard.press("ArrowUp")
    for key, axis, sign in (("ArrowRight", 0, 1), ("ArrowUp", 1, -1), ("ArrowLeft", 0, -1), ("ArrowDown", 1, 1)):
        before = desk.tab.evaluate(place)
        desk.tab.keyboard.press(key)
        after = desk.tab.evaluate(place)
        assert sign * (after[axis] - before[axis]) > 0, key


def test_choosing_a_class_greys_the_others(desk: Seen, page: Path) -> None:
    desk.open(page)
    colours = "() => { const c = document.querySelector('canvas.points'); const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; const seen = new Set(); for (let i = 0; i < d.length; i += 4) seen.add((d[i] << 16) | (d[i + 1] << 8) | d[i + 2]); return seen.size; }"
    everything = desk.tab.evaluate(colours)
    chosen = desk.tab.locator("#legend .class").nth(3)
    chosen.focus()
    desk.tab.keyboard.press("Enter")
    assert desk.tab.locator("#legend .class[aria-pressed='true']").all_inner_texts() == ["3"]
    assert desk.tab.evaluate(colours) < everything / 2
    desk.tab.locator("#legend .tool").click()
    assert desk.tab.evaluate(colours) == everything


def test_the_other_protocol_has_its_own_pictures(desk: Seen, page: Path) -> None:
    desk.open(page)
    assert desk.tab.locator("#legend .class").count() == 10
    desk.tab.locator(".switch button", has_text="class-disjoint").click()
    desk.tab.wait_for_selector("body[data-shown='1']")
    assert desk.tab.locator("#legend .class").all_inner_texts() == ["5", "6", "7", "8", "9"]
    assert desk.tab.locator("#curve-rows .curves:not(.head)").count() == 6
    assert desk.tab.locator("#separation-cards svg").count() == 8


def test_every_drawing_and_control_has_a_name(desk: Seen, page: Path) -> None:
    desk.open(page)
    nameless = desk.tab.evaluate(
        """() => [...document.querySelectorAll("svg[role=img], canvas.points, button, select, [role=group]")]
             .filter(node => !(node.getAttribute("aria-label") || node.textContent.trim() || node.labels?.length))
             .map(node => node.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    assert desk.tab.evaluate(
        "[...document.querySelectorAll('canvas')].every(node => node.getAttribute('aria-label') || node.closest('[aria-hidden=true]'))"
    )


def test_a_confusion_matrix_is_a_table_of_the_chosen_method(desk: Seen, page: Path) -> None:
    desk.open(page)
    desk.tab.locator("#confusion-method").select_option("untrained")
    assert desk.tab.locator("#confusion-matrix tbody tr").count() == 10
    assert desk.tab.locator(".mixups li").count() > 5


def test_a_name_that_is_a_script_does_not_run(desk: Seen, worst_page: Path) -> None:
    desk.open(worst_page).point_at_an_image()
    assert desk.tab.title() != "run"
    assert desk.tab.locator("#legend .class").first.inner_text() == "<script>document.title='run'</script>"
    assert desk.requests == [worst_page.as_uri()]
    assert desk.complaints == []


def test_the_policy_stops_even_a_script_that_slipped_through(desk: Seen, worst_page: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(
        worst_page.read_text().replace(
            "</main>", "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\"></main>"
        )
    )
    desk.open(broken)
    assert desk.tab.title() != "run"
    assert any("Content Security Policy" in complaint for complaint in desk.complaints)


def test_without_scripts_the_tables_are_there(browser: Any, page: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(page.as_uri())
    assert tab.locator("table.results").first.is_visible()
    assert tab.locator(".noscript").is_visible()
    context.close()


def test_worst_mistakes_are_rows_of_pictures_of_the_chosen_method_and_class(desk: Seen, page: Path) -> None:
    tab = desk.open(page).tab
    tab.select_option("#mistakes-method", label="untrained")
    rows = tab.locator("#mistakes-list > li")
    everything = rows.count()
    assert everything > 1
    assert rows.first.locator("canvas").count() == 6
    assert rows.first.locator("li.wrong").count() >= 1
    name = rows.first.locator("ul li span").first.inner_text()
    tab.select_option("#mistakes-class", label=name)
    assert 1 <= tab.locator("#mistakes-list > li").count() < everything
    assert set(tab.locator("#mistakes-list > li ul li:first-child span").all_inner_texts()) == {name}
    assert f"; {rows.count()} shown" in tab.locator("#mistakes-words").inner_text()


def test_distances_between_classes_are_a_square_whose_diagonal_is_marked(desk: Seen, page: Path) -> None:
    tab = desk.open(page).tab
    for method in ("untrained", "raw pixels"):
        tab.select_option("#class-distances-method", label=method)
        cells = tab.locator("#class-distances-matrix tbody td")
        assert cells.count() == 100 and tab.locator("#class-distances-matrix td.own").count() == 10
