"""Kills of a small comparison, in children forked from one process; prints what happened as JSON.

`python killed_studies.py FOLDER KILLS [tuned]`: each child makes or goes on with the study and tells which phase it enters; the parent
kills it with SIGKILL at a random moment of the phase whose turn it is. A study that is finished after its kills is
compared with one that was never killed, and the next one begins.
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
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # what an optimiser imports when it is made; imported once here instead of in every child

from comparison.studies import recipe, results
from killing import between, done_by_a_child, forked, status_of
from nearkin.comparison import Recipe, compare, comparing, performing
from nearkin.training import saving

PHASES = {"opening": b"o", "training": b"t", "checkpoint": b"c", "evaluation": b"e", "results": b"r"}
NAMES = {tag.decode(): phase for phase, tag in PHASES.items()}


def small() -> Recipe:
    """The study that is killed; `tuned` has trials that follow from one another."""
    if "tuned" not in sys.argv:
        return recipe("training.steps=12", seeds=1)
    search = {"training.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}
    return recipe("training.steps=6", seeds=1, tuning={"trials": 5, "search": search, "sampler": "tpe"})


def work(folder: Path, tell: Callable[[bytes], object]) -> None:
    """One call, the same every time; `tell` hears which phase begins."""

    def told(phase: str, function: Callable[..., Any], then: str) -> Callable[..., Any]:
        return between(lambda: tell(PHASES[phase]), function, lambda: tell(PHASES[then]))

    saving.write_checkpoint = told("checkpoint", saving.write_checkpoint, "training")
    performing.train = told("training", partial(performing.train, checkpoint_seconds=0), "evaluation")
    performing.write_embeddings = told("results", performing.write_embeddings, "results")
    performing.write_record = told("results", performing.write_record, "training")
    comparing.finish = told("results", comparing.finish, "results")
    tell(PHASES["opening"])
    compare(small(), folder)


def outcome(folder: Path) -> dict[str, Any]:
    """The bits of the result; the moment of creation, which is another one each time, is left out."""
    numbers = json.loads((folder / "results.json").read_text())
    del numbers["created"]
    return {**results(folder), "results.json": json.dumps(numbers), "runs": len(list(folder.glob("runs/*/run.json")))}


def finish(folder: Path) -> dict[str, Any]:
    done_by_a_child(lambda: work(folder, lambda phase: None))
    return outcome(folder)


def killed_in(folder: Path, phase: str, rng: random.Random) -> str | None:
    """Kill a child at a random moment of `phase`, or a later one if it is quicker; the phase it died in, None if it finished."""
    reading, writing = os.pipe()
    child = forked(lambda: work(folder, lambda tag: os.write(writing, tag)))
    os.close(writing)
    said, turn = "", rng.randint(1, 3)
    while said.count(PHASES[phase].decode()) < turn:
        new = os.read(reading, 1)
        if not new:
            break
        said += new.decode()
    time.sleep(rng.uniform(0, 0.03))
    os.kill(child, signal.SIGKILL)
    status = status_of(child)
    said += os.read(reading, 1 << 16).decode()
    os.close(reading)
    return NAMES[said[-1]] if os.WIFSIGNALED(status) and said else None


def kill_often(base: Path, kills: int) -> dict[str, object]:
    rng, counted, same, studies = random.Random(0), Counter(dict.fromkeys(PHASES, 0)), 0, 0
    expected = finish(base / "whole")
    folder, kills_here = base / "killed", 0
    while counted.total() < kills:
        least = min(counted.values())
        phase = killed_in(folder, rng.choice([name for name in PHASES if counted[name] <= least + 1]), rng)
        if phase is not None:
            counted[phase] += 1
            kills_here += 1
        if phase is None or kills_here == 6 or counted.total() == kills:
            same += finish(folder) == expected
            studies += 1
            kills_here = 0
            shutil.rmtree(folder)
    return {"phases": counted, "studies": studies, "same": same}


if __name__ == "__main__":
    torch.set_num_threads(1)
    if "tuned" in sys.argv:
        import_module("optuna.storages")  # once here instead of in every child
    print(json.dumps(kill_often(Path(sys.argv[1]), int(sys.argv[2]))))
