"""torchvision beside a torch of another build: repaired on exactly one error, said once, and never hidden otherwise."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from nearkin.core import vision as module

TORCH = """
from . import library
"""
LIBRARY = """
DEFINED = []
class Library:
    def __init__(self, namespace, kind):
        self.namespace = namespace
    def define(self, schema):
        DEFINED.append(f"{self.namespace}::{schema.partition('(')[0]}")
    def _destroy(self):
        DEFINED.clear()
"""
TORCHVISION = """
from . import extension
import torch.library
if "torchvision::nms" not in torch.library.DEFINED:
    raise RuntimeError("operator torchvision::nms does not exist")
"""
EXTENSION = """
import torch.library
torch.library.COUNTED = getattr(torch.library, "COUNTED", 0) + 1
"""
CASE = """
import json, sys, warnings
from nearkin.core.vision import vision
said, error = [], None
for _ in range(3):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            vision("torchvision")
        except Exception as fault:
            error = f"{type(fault).__name__}: {fault}"
        said += [f"{each.category.__name__}: {each.message}" for each in caught]
print(json.dumps({
    "said": said, "error": error,
    "left": [name for name in sys.modules if name.partition(".")[0] == "torchvision"],
    "defined": sys.modules["torch.library"].DEFINED if "torch.library" in sys.modules else None,
    "counted": getattr(sys.modules.get("torch.library"), "COUNTED", 0),
}))
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A torch and a torchvision that fail as the real ones do, in a folder that stands before all others."""
    for name, init in (("torch", TORCH), ("torchvision", TORCHVISION)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(init)
    (tmp_path / "torch" / "library.py").write_text(LIBRARY)
    (tmp_path / "torchvision" / "extension.py").write_text(EXTENSION)
    set_versions(tmp_path, "2.13.0+cpu", "0.28.0+cu130")
    return tmp_path


def set_versions(packages: Path, torch: str, torchvision: str) -> None:
    (packages / "torch" / "version.py").write_text(f"__version__ = '{torch}'\ndebug = False\n")
    (packages / "torchvision" / "version.py").write_text(f"__version__ = '{torchvision}'\ngit_version = 'abc'\n")


def outcome(packages: Path, **environment: str) -> dict:
    source = Path(module.__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", CASE],
        env={"PYTHONPATH": f"{packages}:{source}", "PATH": "", **environment},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_a_foreign_build_is_repaired_and_said_once(packages):
    found = outcome(packages)
    assert found["error"] is None
    assert len(found["said"]) == 1
    assert found["said"][0].startswith("BuildWarning: torchvision 0.28.0+cu130 and torch 2.13.0+cpu are of different")
    assert "pip install --force-reinstall torch==" in found["said"][0]
    assert found["defined"] == ["torchvision::nms", "torchvision::qnms"]
    assert found["counted"] == 2  # the half-imported extension was dropped and imported anew


@pytest.mark.parametrize("value", ["1", "yes"])
def test_strict_builds_make_the_warning_an_error(packages, value):
    found = outcome(packages, NEARKIN_STRICT_BUILDS=value)
    assert found["error"].startswith("BrokenVision:")
    assert "0.28.0+cu130 and torch 2.13.0+cpu are of different builds; install a matching pair" in found["error"]
    assert found["said"] == []
    assert found["defined"] == []


def test_strict_builds_may_be_switched_off(packages):
    assert outcome(packages, NEARKIN_STRICT_BUILDS="0")["error"] is None


def test_the_same_error_between_equal_builds_is_not_repaired(packages):
    set_versions(packages, "2.12.0+cpu", "0.28.0+cpu")
    found = outcome(packages)
    assert found["error"].startswith("BrokenVision: torchvision is installed but does not load (operator torchvision")
    assert "found torch 2.12.0+cpu and torchvision 0.28.0+cpu; install a matching pair" in found["error"]
    assert found["defined"] == []


@pytest.mark.parametrize(
    "fault",
    [
        "raise RuntimeError('operator torchvision::roi_align does not exist')",
        "raise ValueError('operator torchvision::nms does not exist')",
        "import no_such_library",
    ],
)
def test_any_other_failure_keeps_its_words_and_gets_the_advice(packages, fault):
    (packages / "torchvision" / "__init__.py").write_text(f"from . import extension\n{fault}\n")
    found = outcome(packages)
    assert found["error"].startswith("BrokenVision:")
    assert fault.split("'")[1] in found["error"] if "'" in fault else "no_such_library" in found["error"]
    assert "install a matching pair" in found["error"]
    assert found["counted"] == 1  # nothing was dropped and imported anew
    assert found["defined"] == []
    assert found["said"] == []


def test_a_second_failure_leaves_nothing_half_done(packages):
    (packages / "torchvision" / "__init__.py").write_text(TORCHVISION + "\nraise RuntimeError('and still broken')\n")
    found = outcome(packages)
    assert found["error"].startswith("BrokenVision: torchvision is installed but does not load (and still broken)")
    assert found["left"] == []
    assert found["defined"] == []
    assert found["said"] == []


def test_what_is_not_installed_is_said_with_its_extra(packages):
    (packages / "torchvision" / "__init__.py").unlink()
    (packages / "torchvision" / "version.py").unlink()
    (packages / "torchvision" / "extension.py").unlink()
    (packages / "torchvision").rmdir()
    (packages / "torchvision.py").write_text("raise ModuleNotFoundError(name='torchvision')")
    assert "MissingExtra" in outcome(packages)["error"]
    assert "nearkin[backbones]" in outcome(packages)["error"]


def test_builds_are_read_without_importing_anything(packages):
    code = "import sys, json; from nearkin.core.vision import builds; print(json.dumps([builds(), 'torch' in sys.modules]))"
    source = Path(module.__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": f"{packages}:{source}"}, capture_output=True, text=True
    )
    assert json.loads(run.stdout) == [{"torch": "2.13.0+cpu", "torchvision": "0.28.0+cu130"}, False]


@pytest.mark.skipif(find_spec("timm") is None, reason="needs timm: pip install 'nearkin[backbones]'")
def test_the_packages_of_this_machine_load_with_at_most_one_warning():
    code = (
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    from nearkin.core.vision import vision, builds_differ\n"
        "    vision('timm'); vision('torchvision.transforms.v2'); vision('torchvision.models')\n"
        "ours = [each for each in caught if each.category.__name__ == 'BuildWarning']\n"
        "print(len(ours) <= (builds_differ() is not None))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=400)
    assert run.stdout.strip() == "True", run.stderr
