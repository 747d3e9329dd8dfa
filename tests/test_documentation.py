"""The documentation builds without a warning, shows every room, and asks nothing of the network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {path.parent.name for path in (ROOT / "src" / "nearkin").glob("*/__init__.py")}
LIBRARY = sorted(ROOMS - {"cli"} | {"testing"})


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("zensical")
    return subprocess.run(
        [program, "build", "--strict"],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=400,
    )


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("documentation")
    for name in ("docs", "src", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("mkdocs.yml", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def site(sources) -> Path:
    answer = build(sources)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return sources / "site"


def text_of(page: Path) -> str:
    return unescape(re.sub(r"<[^>]*>", "", page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("room", LIBRARY)
def test_every_public_name_has_its_place(site, room):
    page = (site / "api" / room / "index.html").read_text(encoding="utf-8")
    names = import_module(f"nearkin.{room}").__all__
    places = {name: (f'id="nearkin.{room}.{name}"', f'id="nearkin.{room}.{name}.{name}"') for name in names}
    assert [name for name in names if not any(place in page for place in places[name])] == []


def test_a_docstring_is_laid_out_as_a_list(site):
    assert re.search(r"<strong>Equation:</strong>", (site / "api" / "losses" / "index.html").read_text("utf-8"))
    assert "One file" in text_of(site / "contributing" / "index.html")


def test_no_page_loads_anything_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 15
    loads = re.compile(r'<(?:script|img|iframe)[^>]*\ssrc="?(?:https?:)?//|<link[^>]*rel="?(?:stylesheet|preconnect)[^>]*//')
    assert [page for page in pages if loads.search(page.read_text(encoding="utf-8"))] == []


def test_a_broken_link_fails_the_build(sources, site, tmp_path):
    shutil.copytree(sources, tmp_path / "broken", ignore=shutil.ignore_patterns("site", ".cache"))
    page = tmp_path / "broken" / "docs" / "index.md"
    page.write_text(page.read_text(encoding="utf-8") + "\n[nowhere](nowhere.md)\n", encoding="utf-8")
    answer = build(tmp_path / "broken")
    assert answer.returncode != 0
    assert "page does not exist" in answer.stdout + answer.stderr
