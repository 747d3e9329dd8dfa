"""A claim is held by one process and dies with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from nearkin.comparison.claims import claim, holder

HOLD = """
import sys, time
from pathlib import Path
from nearkin.comparison.claims import claim
with claim(Path(sys.argv[1])) as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


def test_another_process_is_told_no_until_the_owner_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "claim"
    owner = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "True\n"
        with claim(path) as mine:
            assert not mine
        assert holder(path) == f"process {owner.pid} on {__import__('platform').node()}"
        owner.kill()
        owner.wait()
        with claim(path) as mine:
            assert mine
    finally:
        owner.kill()
        owner.communicate()


def test_a_claim_is_free_after_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with claim(tmp_path / "claim") as mine:
            assert mine


def test_an_unreadable_claim_still_has_a_holder(tmp_path: Path) -> None:
    (tmp_path / "claim").write_text("")
    assert holder(tmp_path / "claim") == "another process"
