"""An optional package is there, missing (the extra is named), or broken (its own fault shows)."""

from __future__ import annotations

import json
import sys

import pytest

from nearkin.core import MissingExtra, need


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder on the path for small packages; what they leave in sys.modules goes again."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_what_is_installed_is_returned():
    assert need("json", extra="train", purpose="reading") is json
    assert need("os.path", extra="train", purpose="paths").join("a", "b") == "a/b"


@pytest.mark.parametrize("module", ["nearkin_absent", "nearkin_absent.inner.part"])
def test_what_is_missing_is_named_with_purpose_and_extra(module):
    with pytest.raises(MissingExtra) as caught:
        need(module, extra="maps", purpose="the 2-D map")
    assert str(caught.value) == (
        "the 2-D map needs 'nearkin_absent', which is not installed; install it with: pip install 'nearkin[maps]'"
    )
    assert isinstance(caught.value, ImportError)
    assert caught.value.__suppress_context__


def test_a_package_that_misses_its_own_dependency_shows_its_own_fault(packages):
    (packages / "broken_one.py").write_text("import nearkin_absent_dependency\n")
    with pytest.raises(ModuleNotFoundError, match="nearkin_absent_dependency"):
        need("broken_one", extra="train", purpose="training")


def test_a_package_that_misses_a_part_of_itself_shows_its_own_fault(packages):
    (packages / "broken_two").mkdir()
    (packages / "broken_two" / "__init__.py").write_text("import broken_two.engine\n")
    with pytest.raises(ModuleNotFoundError, match=r"broken_two\.engine"):
        need("broken_two", extra="train", purpose="training")


def test_a_package_that_raises_on_import_shows_its_own_fault(packages):
    (packages / "broken_three.py").write_text("raise ImportError('libbroken.so: cannot open shared object file')\n")
    with pytest.raises(ImportError, match="libbroken") as caught:
        need("broken_three", extra="train", purpose="training")
    assert not isinstance(caught.value, MissingExtra)
