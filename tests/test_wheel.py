"""The wheel, installed outside the clone with the core's dependencies alone: complete, and of use without torch."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import PathDistribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


def run(*command: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=400, **options)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy of the sources so that nothing is written into the clone."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    answer = run(
        sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", built, source
    )
    assert answer.returncode == 0, answer.stderr
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory) -> Path:
    """The folder of programs of an environment that holds the wheel and what its core requires, and no more.

    The required packages are links to the installed ones, found by following the wheel's own metadata, so that nothing
    is downloaded.
    """
    home = tmp_path_factory.mktemp("bare")
    venv.create(home, symlinks=True)
    answer = run(
        sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install", "-q", "--no-deps", "--no-index", wheel
    )
    assert answer.returncode == 0, answer.stderr
    (packages,) = home.glob("lib/python*/site-packages")
    (metadata,) = packages.glob("nearkin-*.dist-info")
    for name in required_by(PathDistribution(metadata).requires or []):
        link(name, packages)
    return home / "bin"


def required_by(lines: list[str]) -> set[str]:
    """Names of all distributions that the requirements in `lines` lead to, extras left out."""
    found: set[str] = set()
    waiting = list(lines)
    while waiting:
        requirement = Requirement(waiting.pop())
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and requirement.name not in found:
            found.add(requirement.name)
            waiting += distribution(requirement.name).requires or []
    return found


def link(name: str, packages: Path) -> None:
    installed = distribution(name)
    for top in {file.parts[0] for file in installed.files or [] if ".." not in file.parts} - {"__pycache__"}:
        target = packages / top
        if not target.exists():
            target.symlink_to(Path(str(installed.locate_file(top))))


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel):
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = ROOT / "src" / "nearkin"
    wanted = {path.relative_to(ROOT / "src").as_posix() for path in package.rglob("*") if path.is_file()}
    assert inside == {name for name in wanted if "__pycache__" not in name}
    assert "nearkin/py.typed" in inside
    assert any(name.startswith("nearkin/comparison/recipes/") for name in inside)


def test_the_wheel_carries_its_licence_and_its_readme(wheel):
    archive = zipfile.ZipFile(wheel)
    (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    (licence,) = [name for name in archive.namelist() if name.endswith(".dist-info/licenses/LICENSE")]
    assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
    assert "License-Expression: Apache-2.0" in archive.read(metadata).decode()
    assert "# nearkin" in archive.read(metadata).decode()


def test_the_environment_is_bare(bare, tmp_path):
    code = "from importlib.util import find_spec as f; print([n for n in ('torch', 'sklearn', 'pytest', 'pip') if f(n)])"
    assert run(bare / "python", "-c", code, cwd=tmp_path).stdout == "[]\n"


@pytest.mark.parametrize("room", ["", ".core", ".data", ".statistics", ".report", ".cli"])
def test_what_needs_no_torch_imports_without_it(bare, tmp_path, room):
    answer = run(bare / "python", "-W", "error", "-c", f"import nearkin{room} as m; print(m.__file__)", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert Path(answer.stdout).is_relative_to(bare.parent)


@pytest.mark.parametrize("arguments", [["--help"], [], ["--version"], ["list", "recipes"], ["doctor"]], ids=" ".join)
def test_commands_that_need_no_torch_answer(bare, tmp_path, arguments):
    answer = run(bare / "nearkin", *arguments, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout
    assert list(tmp_path.iterdir()) == []


def test_losses_are_listed_or_the_missing_extra_is_named(bare, tmp_path):
    answer = run(bare / "nearkin", "list", "losses", cwd=tmp_path)
    if answer.returncode == 0:
        assert "triplet" in answer.stdout
    else:
        assert "pip install 'nearkin[train]'" in answer.stderr
        assert "Traceback" not in answer.stderr


def test_a_comparison_names_the_missing_extra_and_writes_nothing(bare, tmp_path):
    answer = run(bare / "nearkin", "compare", "quickstart", cwd=tmp_path)
    assert answer.returncode != 0
    assert "pip install 'nearkin[train]'" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert list(tmp_path.iterdir()) == []
