"""A locked file belongs to one handle until it is closed; both users of locks say what they do where there are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nearkin.comparison import claims
from nearkin.core import turn as turns
from nearkin.core.locks import locked, opened

HOLD = """
import sys, time
from pathlib import Path
from nearkin.core.locks import locked, opened
with opened(Path(sys.argv[1])) as handle:
    print(locked(handle), flush=True)
    time.sleep(60)
"""


def test_a_lock_is_free_when_its_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    with opened(path) as one:
        assert locked(one)
        with opened(path) as other:
            assert not locked(other)
    with opened(path) as again:
        assert locked(again)


def test_a_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "lock"], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "True\n"
        with opened(tmp_path / "lock") as handle:
            assert not locked(handle)
            owner.kill()
            owner.wait()
            assert locked(handle)
    finally:
        owner.kill()
        owner.communicate()


def test_where_there_are_no_locks_a_claim_is_refused_and_a_turn_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(handle: int) -> bool:
        raise OSError("no locks available")

    for module in (claims, turns):
        monkeypatch.setattr(module, "locked", no_locks)
    with claims.claim(tmp_path / "claim") as mine:
        assert not mine
    with turns.turn(tmp_path / "turn"):
        pass


def test_the_system_is_asked_for_locks_in_one_place() -> None:
    house = Path(claims.__file__).parents[1]
    asking = [path.relative_to(house).as_posix() for path in house.rglob("*.py") if "fcntl" in path.read_text("utf-8")]
    assert asking == ["core/locks.py"]
