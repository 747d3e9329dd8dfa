"""The answering path runs where torch, scipy and scikit-learn are not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gallery.pictures import folder_of

WALK = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "scipy", "sklearn", "pandas", "faiss", "onnx"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from nearkin.cli.program import program

def nearkin(*words):
    print("$", *words)
    program.main([*words], standalone_mode=False)

photos, gallery = sys.argv[1:]
g = ("--gallery", gallery)
nearkin("gallery", "create", f"{photos}/known", *g)
nearkin("gallery", "add", f"{photos}/more", *g)
nearkin("gallery", "calibrate", "--false-accept", "0.2", "--unknowns", f"{photos}/unknown", *g)
nearkin("classify", f"{photos}/new", *g)
nearkin("verify", f"{photos}/new/kind 0/10.png", f"{photos}/new/kind 0/11.png", *g)
nearkin("search", f"{photos}/new/kind 0/10.png", *g)
nearkin("gallery", "relabel", "kind 1", "one", *g)
nearkin("gallery", "check", *g)
nearkin("gallery", "rollback", "1", *g)
nearkin("gallery", "purge", "kind 2", "--yes", *g)
nearkin("gallery", "info", *g)
nearkin("gallery", "history", *g)
"""


def test_from_create_to_purge_without_torch_or_scipy(tmp_path: Path) -> None:
    folder_of(tmp_path / "known", range(8), range(4))
    folder_of(tmp_path / "more", range(8, 12), range(4))
    folder_of(tmp_path / "new", range(3), range(10, 12))
    folder_of(tmp_path / "unknown", range(100, 120), range(2))
    done = subprocess.run(
        [sys.executable, "-c", WALK, str(tmp_path), str(tmp_path / "kin")], capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "kind 0" in done.stdout
    assert "erased for good" in done.stdout
