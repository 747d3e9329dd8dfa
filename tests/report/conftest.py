"""Study folders that the report's tests read: a whole one, a small one to be damaged, one with the worst names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nearkin.report import Summary, build_report, summarise
from report.make_study import METHODS, Imitation, digits, make_study

WORST_NAMES = (
    "<script>document.title='run'</script>",
    "../x",
    "=1+1",
    "007",
    "NaN",
    "</script><img src=x onerror=\"document.title='run'\">",
    "{{facts}}",
    "a \"quoted\" & 'odd' name, with a comma",
    "a class name that is so long that no column and no button was ever made for it",
    "null",
)
WORST_METHOD = Imitation(
    "=<b>cmd</b>",
    "<script>document.title='run'</script>",
    strength=0.4,
    settings={"loss": "<i>x</i>", "=key": "@value", "module": "a.very.long.path.that.has.no.place.to.break:Loss"},
)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight methods, three seeds, two protocols on scikit-learn's digits."""
    return make_study(tmp_path_factory.mktemp("study") / "digits")


@pytest.fixture(scope="session")
def summary(study: Path) -> Summary:
    return summarise(study)


@pytest.fixture(scope="session")
def page(study: Path) -> Path:
    return build_report(study)


@pytest.fixture(scope="session")
def worst_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose classes, method and settings have the worst names."""
    folder = tmp_path_factory.mktemp("worst") / "worst"
    methods = (METHODS[0], METHODS[1], WORST_METHOD)
    return build_report(
        make_study(folder, pictures=digits(WORST_NAMES), methods=methods, protocols=("closed-set",), seeds=(0, 1))
    )


@pytest.fixture(scope="session")
def _small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "small"
    return make_study(folder, methods=METHODS[:4], protocols=("closed-set",), seeds=(0, 1), test_share=0.08)


@pytest.fixture
def small(_small: Path, tmp_path: Path) -> Path:
    """Four methods, two seeds, one protocol: a copy of one's own to change."""
    return Path(shutil.copytree(_small, tmp_path / "small"))
