"""Children that compute features at the same time or are killed while they do; prints what happened as JSON.

`python killed_workers.py together FOLDER PROCESSES`, `python killed_workers.py kills FOLDER` (before every operation on a file and
after every batch). Everything is forked from one process, which has torch loaded.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from embedding.small import IMAGES, Small, some_images
from killing import before_file_operations, forked, status_of
from nearkin.embedding import cached_features, feature_cache

feature_cache.PART = 8
images, network = some_images(), Small()


def features(root: Path, after_batch: Callable[[], object] = lambda: None) -> bytes:
    network.shown.clear()
    return cached_features(network, images, root, batch=3, on_progress=lambda done, of: after_batch()).tobytes()


def together(root: Path, processes: int) -> dict:
    """What each of several children computed and got, all of them started at one moment."""
    start = time.time() + 0.3

    def child(number: int) -> None:
        time.sleep(max(0.0, start - time.time()))
        got = features(root / "cache", lambda: time.sleep(0.01))
        (root / f"{number}.bin").write_bytes(got)
        (root / f"{number}.json").write_text(json.dumps(sum(network.shown)))

    children = [forked(lambda number=number: child(number)) for number in range(processes)]
    failed = sum(status_of(child) != 0 for child in children)
    return {
        "failed": failed,
        "computed": sorted(json.loads((root / f"{number}.json").read_text()) for number in range(processes)),
        "contents": len({(root / f"{number}.bin").read_bytes() for number in range(processes)}),
        "right": (root / "0.bin").read_bytes() == features(root / "alone"),
        "left": sorted(path.name for path in (root / "cache").iterdir() if not path.name.endswith(".lock")),
    }


def kills(root: Path) -> dict:
    """Kill a child at its first, second, third... event; after each kill the same call must end with the same bits."""
    right = features(root / "alone")
    same = saved = 0
    for moment in range(1, 1000):
        cache = root / str(moment)
        status = status_of(forked(lambda cache=cache, moment=moment: killed_at(moment, cache)))
        if status == 0:
            return {"kills": moment - 1, "same": same, "saved": saved}
        if os.WTERMSIG(status) != signal.SIGKILL:
            raise RuntimeError(f"the child ended with {status}")
        same += features(cache) == right == features(cache)
        saved += sum(network.shown) < IMAGES
        left = [path.name for path in cache.rglob("*") if path.suffix != ".lock"]
        same -= len(left) != 1
        shutil.rmtree(cache)
    raise RuntimeError("the child never ended")


def killed_at(moment: int, cache: Path) -> None:
    events = 0

    def event() -> None:
        nonlocal events
        events += 1
        if events == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    before_file_operations(event, "fsync", "replace", "rmdir", "unlink")
    features(cache, event)


if __name__ == "__main__":
    what, folder, *rest = sys.argv[1:]
    print(json.dumps(together(Path(folder), int(rest[0])) if what == "together" else kills(Path(folder))))
