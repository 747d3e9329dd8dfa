"""kill -9 at random moments: before or after, never in between. The study of the same name kills 200 times."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gallery.made import held, store_in
from nearkin.gallery import Store, changes, making

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are killed after a fork")


@pytest.fixture(scope="module")
def study() -> ModuleType:
    """The script; where only the installed package is tested it is not there."""
    path = Path(__file__).parents[2] / "benchmarks" / "studies" / "gallery_kill.py"
    if not path.exists():
        pytest.skip("benchmarks/ is not here")
    spec = importlib.util.spec_from_file_location("gallery_kill", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_a_kill_leaves_the_revision_before_or_after(study, tmp_path):
    found = study.study(7, 1, tmp_path)
    assert found["violations"] == []
    assert min(found["by phase"].values()) >= 1


def test_the_study_sees_a_change_that_is_made_by_halves(study, tmp_path, monkeypatch):
    """A store that adds in two transactions is caught, so that the promise above is worth something."""

    def by_halves(self: Store, entries: list, *, note: str = "") -> object:
        half = len(entries) // 2 + 1
        for part in (entries[:half], entries[half:]):
            with self._database.writing() as connection:
                done = changes.add(connection, part, self.facts.dimension, note)
        return done

    monkeypatch.setattr(Store, "add", by_halves)
    assert study.study(14, 0, tmp_path)["violations"]


def test_the_study_sees_an_acknowledged_change_that_is_lost(study, tmp_path, monkeypatch):
    monkeypatch.setattr(Store, "add", lambda self, entries, note="": None)
    assert study.study(14, 0, tmp_path)["violations"]


def test_a_creation_that_died_before_its_last_file_is_no_gallery_and_is_made_again(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(making, "write_facts", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            store_in(tmp_path / "g")
    with pytest.raises(ValueError, match=r"no gallery\.json"):
        Store.open(tmp_path / "g")
    assert held(store_in(tmp_path / "g")) == {}
