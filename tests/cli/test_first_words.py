"""What a newcomer meets first: quick, without torch, and with the line to type next."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from cli.commands import nearkin
from nearkin.cli.program import program

HEAVY = ("torch", "sklearn", "scipy", "pandas", "pyarrow", "matplotlib", "numpy", "pydantic")


@pytest.mark.parametrize("words", [["--help"], [], ["compare", "--help"], ["list", "protocols"], ["--version"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = f"""
import sys
sys.argv = ["nearkin", *{words!r}]
from nearkin.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_help_needs_little_time() -> None:
    code = "import time, sys; from nearkin.cli.program import program; program.main(['--help'], standalone_mode=False); print(time.process_time(), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stderr) < 0.5
    assert time  # wall time is the machine's own


def test_bare_nearkin_says_what_it_does_and_what_to_type() -> None:
    result = nearkin()
    assert result.exit_code == 0
    assert "nearkin compare quickstart" in result.stdout
    assert "nearkin compare --data FOLDER --loss" in result.stdout


@pytest.mark.parametrize("name", program.commands)
def test_every_command_has_help_and_json(name: str) -> None:
    result = nearkin(name, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout
    assert program.commands[name].help


def test_a_misspelt_command_or_option_comes_with_the_right_one() -> None:
    assert "Did you mean 'compare'?" in nearkin("compar").stderr
    assert "--jobs" in nearkin("compare", "quickstart", "--job", "2").stderr
    assert nearkin("compar").exit_code == nearkin("compare", "--jbs").exit_code == 2


def test_python_m_nearkin_is_nearkin() -> None:
    done = subprocess.run([sys.executable, "-m", "nearkin", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("nearkin, version 0.")


def test_a_warning_is_a_sentence_without_a_place_in_the_code():
    quiet = "import sys; sys.argv = ['nearkin', '--version']; from nearkin.cli import program as p; import click, warnings; "
    loud = quiet + "p.program.add_command(click.Command('odd', callback=lambda: warnings.warn('something odd'))); sys.argv[1] = 'odd'; p.main()"
    said = subprocess.run([sys.executable, "-c", loud], capture_output=True, text=True, timeout=200)
    assert said.returncode == 0, said.stderr
    assert said.stderr == "nearkin: something odd\n"
