"""The import contract in pyproject.toml holds the house's table of rooms, and would not stay silent if it did not."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MAY_IMPORT = {
    "core": "",
    "distances": "core",
    "pairs": "core",
    "data": "core",
    "networks": "core",
    "statistics": "core",
    "decision": "core statistics",
    "mining": "core distances pairs",
    "evaluation": "core decision distances pairs statistics",
    "report": "core decision statistics",
    "embedding": "core data decision distances networks",
    "losses": "core distances pairs mining",
    "estimators": "core decision distances pairs losses evaluation statistics mining",
    "generation": "core distances pairs mining networks losses",
    "training": "core decision distances pairs data networks statistics mining evaluation embedding losses generation",
    "comparison": "core decision distances pairs data networks statistics mining evaluation embedding report losses estimators generation training",
    "gallery": "core data decision embedding statistics",
    "cli": "core decision distances pairs data networks statistics mining evaluation embedding report losses estimators generation training comparison gallery",
}
WITHOUT_TORCH = ("core", "data", "decision", "gallery", "report", "statistics")
BUILT = {path.parent.name for path in (ROOT / "src" / "nearkin").glob("*/__init__.py")}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package and its contract, to be broken."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def check_imports(house: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache", "--no-logo"],
        cwd=house,
        env={"PYTHONPATH": str(house / "src"), "PATH": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=400,
    )


def plant(house: Path, room: str, imported: str) -> str:
    """Add a module to `room` that imports `imported`; the line that the contract should print for it."""
    name = "planted_" + imported.replace(".", "_")
    (house / "src" / "nearkin" / room / f"{name}.py").write_text(f"def later():\n    import {imported}\n")
    return f"nearkin.{room}.{name} -> {imported} (l.2)"


def test_the_contract_holds_and_sees_every_file(house):
    answer = check_imports(house)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    files = len(list((house / "src" / "nearkin").rglob("*.py")))
    seen = re.search(r"Analyzed (\d+) files, (\d+) dependencies", answer.stdout)
    assert int(seen[1]) >= files  # and the outside packages, one each
    assert int(seen[2]) >= 2 * files
    assert "0 broken" in answer.stdout


def test_every_folder_of_code_is_a_room_of_the_table():
    folders = {path.parent for path in (ROOT / "src" / "nearkin").rglob("*.py")}
    assert all((folder / "__init__.py").exists() for folder in folders)
    assert BUILT == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_an_import_that_the_table_does_not_allow_is_caught(house, room):
    allowed = [plant(house, room, f"nearkin.{other}") for other in MAY_IMPORT[room].split()]
    outside = set(MAY_IMPORT) - set(MAY_IMPORT[room].split()) - {room}
    forbidden = [plant(house, room, f"nearkin.{other}") for other in sorted(outside)]
    if room in WITHOUT_TORCH:
        forbidden.append(plant(house, room, "torch"))
    answer = check_imports(house)
    missed = [line for line in forbidden if line not in answer.stdout]
    assert not missed, answer.stdout + answer.stderr
    assert answer.returncode == (1 if forbidden else 0)
    assert [line for line in allowed if line in answer.stdout] == []


def test_a_room_that_the_contract_does_not_know_is_caught(house):
    (house / "src" / "nearkin" / "attic").mkdir()
    (house / "src" / "nearkin" / "attic" / "__init__.py").touch()
    answer = check_imports(house)
    assert answer.returncode != 0
    assert "attic" in answer.stdout


def asked_for(code: str) -> set[str]:
    """The packages that `code` imports, by a statement or by a call with the module's name (`need`, `import_module`)."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("need", "import_module", "__import__"):
                names |= {each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    return {name.partition(".")[0] for name in names}


def test_only_core_vision_imports_torchvision_and_timm():
    found = {
        str(path.relative_to(ROOT / "src" / "nearkin"))
        for path in (ROOT / "src" / "nearkin").rglob("*.py")
        if asked_for(path.read_text(encoding="utf-8")) & {"torchvision", "timm"}
    }
    assert found == {"core/vision.py"}


@pytest.mark.parametrize(
    "code", ["import timm", "from torchvision.models import resnet18", "need('timm', extra='a')", "x.import_module('timm.data')"]
)
def test_a_second_import_of_them_would_be_seen(code):
    assert asked_for(f"def later():\n    {code}\n") & {"torchvision", "timm"}
