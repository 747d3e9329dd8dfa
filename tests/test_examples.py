"""The examples: their commands exist, and their photos are laid out as they say."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cli.commands import nearkin

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("script", sorted(each.name for each in EXAMPLES.glob("*.sh")))
def test_every_command_of_a_walk_exists_with_its_options(script: str) -> None:
    lines = [line.partition("|")[0] for line in (EXAMPLES / script).read_text().splitlines() if line.startswith("nearkin ")]
    assert lines
    for line in lines:
        words = shlex.split(line)[1:]
        command = words[: 2 if words[0] == "gallery" else 1]
        told = nearkin(*command, "--help")
        assert told.exit_code == 0, line
        assert all(re.search(rf"(^|\W){word}\b", told.stdout) for word in words if word.startswith("-")), line


@pytest.mark.data
def test_photos_are_laid_out_by_class_and_none_twice(tmp_path: Path) -> None:
    subprocess.run([sys.executable, EXAMPLES / "prepare.py", "faces", tmp_path], check=True, timeout=400)
    counts = {part.name: (len(list(part.iterdir())), len(list(part.rglob("*.pgm")))) for part in tmp_path.iterdir()}
    assert counts == {"enrolled": (30, 150), "new": (30, 150), "strangers": (10, 50)}
    names = [(path.parent.name, path.name) for path in tmp_path.rglob("*.pgm")]
    assert len(set(names)) == len(names)
