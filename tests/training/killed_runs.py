"""Kills of a small training run, made in children forked from one process; prints what happened as JSON.

`python killed_runs.py random FOLDER KILLS` kills at random moments, `python killed_runs.py files FOLDER` before every single
operation on a file; with KIND "generated" after them the run has generated negatives. After each kill the same call is made again; results are compared with an uninterrupted run's.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
import torch._dynamo  # what an optimiser imports when it is made; imported once here instead of in every child
from torch import nn

from killing import before_file_operations, between, done_by_a_child, forked, status_of
from nearkin.generation import Adversarial
from nearkin.training import saving, train
from training import setting

OUTCOME = {"network.safetensors", "loss.safetensors", "curves.csv", "training.json"}


def plain() -> tuple[nn.Module, nn.Module]:
    return setting.network(dropout=0.2), setting.Remembering(mining="random")


def generated() -> tuple[nn.Module, nn.Module]:
    loss = Adversarial(setting.Remembering(mining="random"), synthetic_positive=True)
    return loss.network(setting.network(dropout=0.2), 3), loss


KINDS = {"plain": plain, "generated": generated}
KIND = "plain"


def work(folder: Path, steps: int, tell: Callable[[bytes], None]) -> None:
    """One call, the same every time; `tell` hears which phase begins."""

    def told(phase: bytes, function: Callable) -> Callable:
        return between(lambda: tell(phase), function, lambda: tell(b"t"))

    saving.write_checkpoint = told(b"c", saving.write_checkpoint)
    saving.write_outcome = told(b"o", saving.write_outcome)
    network, loss = KINDS[KIND]()
    train(
        network, loss, setting.images, setting.labels,
        setting.plan(steps=steps, validate_every=2), sampler=setting.Rounds(), validate=told(b"v", setting.separation),
        folder=folder, checkpoint_seconds=0,
    )  # fmt: skip


def outcome(folder: Path) -> dict[str, str]:
    """The bits of the result; times, the one thing that may differ, are left out."""
    record = json.loads((folder / "training.json").read_text())
    rows = [line.rsplit(",", 1)[0] for line in (folder / "curves.csv").read_text().splitlines()]
    return {
        "network": record["sha256"]["network.safetensors"],
        "loss": record["sha256"]["loss.safetensors"],
        "curves": "\n".join(rows),
        "best": repr((record["best_step"], record["best_validation"], record["notes"])),
    }


def finish(folder: Path, steps: int) -> dict[str, str]:
    done_by_a_child(lambda: work(folder, steps, lambda phase: None))
    left = {path.name for path in folder.iterdir()}
    if left != OUTCOME:
        raise SystemExit(f"the finished folder has {sorted(left)}")
    return outcome(folder)


def kill_at_random(base: Path, kills: int) -> dict[str, object]:
    """Kill after a random number of phases and a random moment more, so that a busy machine is killed as far on."""
    rng, steps, phases, same, runs, resumed = random.Random(0), 60, Counter(), 0, 0, 0
    expected = finish(base / "whole", steps)
    folder = base / "killed"
    while sum(phases.values()) < kills:
        reading, writing = os.pipe()
        child = forked(lambda: work(folder, steps, lambda phase: os.write(writing, phase)))
        os.close(writing)
        said = b""
        for _ in range(rng.randrange(24)):
            said += os.read(reading, 1)
        time.sleep(rng.uniform(0, 0.01))
        os.kill(child, signal.SIGKILL)
        status = status_of(child)
        while more := os.read(reading, 1 << 16):
            said += more
        os.close(reading)
        if os.WIFSIGNALED(status):
            phases[said[-1:].decode() or "start"] += 1
            resumed += any(folder.glob("checkpoint*.ckpt"))
        if (folder / "training.json").exists() or sum(phases.values()) == kills:
            same += finish(folder, steps) == expected
            runs += 1
            shutil.rmtree(folder)
    return {"phases": phases, "runs": runs, "same": same, "resumed": resumed}


def kill_before_every_file_operation(base: Path) -> dict[str, object]:
    steps, operations, same = 3, 0, 0
    expected = finish(base / "whole", steps)
    while True:
        folder = base / f"killed-{operations}"

        def doomed() -> None:
            left = operations

            def counted() -> None:
                nonlocal left
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1

            before_file_operations(counted, "open", "fsync", "replace", "rename", "unlink")
            work(folder, steps, lambda phase: None)

        status = status_of(forked(doomed))
        if not os.WIFSIGNALED(status):
            return {"operations": operations, "same": same, "status": status}
        operations += 1
        same += finish(folder, steps) == expected
        shutil.rmtree(folder)


if __name__ == "__main__":
    torch.set_num_threads(1)
    where = Path(sys.argv[2])
    KIND = sys.argv.pop() if sys.argv[-1] in KINDS else KIND
    found = (
        kill_at_random(where, int(sys.argv[3])) if sys.argv[1] == "random" else kill_before_every_file_operation(where)
    )
    print(json.dumps(found))
