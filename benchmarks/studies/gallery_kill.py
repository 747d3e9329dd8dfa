"""kill -9 at random moments of a gallery's changes: nothing acknowledged is lost, nothing half done is seen.

A child makes one change after another; it says when it begins one and when the call has returned. It is killed at a moment
drawn within the usual time of that change, and only kills between the two are counted. Then the gallery is opened, and
must be exactly what it was before the change or exactly what it is after it, checked against a model in plain dictionaries:
images, labels, vectors, thumbnails, calibration, earlier revisions, and `Store.check`. A change that was acknowledged must be
there. After a purge, once the gallery was opened for writing, no file may hold a byte of what was purged.

    python benchmarks/studies/gallery_kill.py --kills 210

Ends with 1 where a promise was broken, or a kind of change was never hit.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import random
import select
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nearkin.decision import Space
from nearkin.gallery import Entry, Store

PHASES = ("create", "add", "remove", "relabel", "rollback", "calibrate", "purge")
WIDTH = 16


def image_hash(number: int) -> str:
    return hashlib.sha256(f"image {number}".encode()).hexdigest()


def entry(number: int, label: str) -> Entry:
    key = image_hash(number)
    vector = np.random.default_rng(number).standard_normal(WIDTH).astype(np.float32)
    return Entry(key, label, vector, f"thumbnail of {key} ".encode() * 3, f"/photos/{label}/{number}.png", 28, 28)


@dataclass
class Model:
    """What a gallery must hold: {number of image: label} and the calibration, after each revision."""

    states: list[tuple[dict[int, str], Any]] = field(default_factory=lambda: [({}, None)])
    purged: set[str] = field(default_factory=set)

    def now(self) -> tuple[dict[int, str], Any]:
        return deepcopy(self.states[-1])

    def after(self, phase: str, change: dict[str, Any]) -> Model:
        if phase == "create":
            return Model()
        held, threshold = self.now()
        model = deepcopy(self)
        if phase == "purge":
            gone = {number for number, label in held.items() if label == change["label"]}
            later = {number for state, _ in model.states for number in state if number not in held}
            if later:  # images that were removed bore their label last in an earlier state
                last = {number: state[number] for state, _ in model.states for number in state}
                gone |= {number for number in later if last[number] == change["label"]}
            model.purged |= {change["label"], *(image_hash(number) for number in gone)}
            for state, _ in model.states:
                for number in [each for each, label in state.items() if each in gone or label == change["label"]]:
                    del state[number]
            held, threshold = model.now()
        elif phase == "add":
            held |= {number: change["label"] for number in change["numbers"]}
        elif phase == "remove":
            for number in change["numbers"]:
                del held[number]
        elif phase == "relabel":
            held |= dict.fromkeys(change["numbers"], change["label"])
        elif phase == "rollback":
            held, threshold = deepcopy(self.states[change["revision"]])
        else:
            threshold = change["section"]
        if phase == "purge" or (held, threshold) != self.states[-1]:
            model.states.append((held, threshold))
        return model


class Script:
    """Draws changes that change something."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.next, self.labels = rng, 0, 0

    def change(self, phase: str, model: Model) -> dict[str, Any] | None:
        held, _ = model.now()
        rng, borne = self.rng, sorted(set(held.values()))
        if phase == "add":
            numbers = list(range(self.next, self.next + rng.randint(1, 120)))
            self.next = numbers[-1] + 1
            return {"numbers": numbers, "label": self._new() if len(borne) < 8 else rng.choice(borne)}
        if phase == "calibrate":
            return {"section": {"threshold": rng.random()}}
        if phase == "purge":
            return {"label": rng.choice(borne)} if len(borne) > 4 else None
        if phase == "rollback":
            back = [
                n
                for n in range(max(0, len(model.states) - 8), len(model.states))
                if model.states[n] != model.states[-1]
            ]
            return {"revision": rng.choice(back)} if back and len(borne) > 4 else None
        if len(held) < 150:
            return None
        numbers = rng.sample(sorted(held), rng.randint(1, 60))
        return {"numbers": numbers} if phase == "remove" else {"numbers": numbers, "label": self._new()}

    def _new(self) -> str:
        self.labels += 1
        return f"label-{self.labels:05d}-日本"


def do(folder: Path, phase: str, change: dict[str, Any]) -> None:
    """The change itself, in the child."""
    if phase == "create":
        Store.create(folder, dimension=WIDTH, space=Space("euclidean"), fingerprint="none")
        return
    store = Store.open(folder, write=True)
    if phase == "add":
        store.add([entry(number, change["label"]) for number in change["numbers"]], note=f"of {change['label']}")
    elif phase == "remove":
        store.remove(hashes=[image_hash(number) for number in change["numbers"]])
    elif phase == "relabel":
        store.relabel(hashes=[image_hash(number) for number in change["numbers"]], to=change["label"])
    elif phase == "rollback":
        store.rollback(change["revision"])
    elif phase == "calibrate":
        store.calibrate(change["section"])
    else:
        store.purge(label=change["label"])


def killed(folder: Path, phase: str, change: dict[str, Any], delay: float | None) -> tuple[bool, float]:
    """Whether the change was acknowledged, and its seconds, in a child that is killed after `delay` seconds of it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, b"b")
            do(folder, phase, change)
            os.write(writing, b"d")
            time.sleep(60 if delay is not None else 0)
            os._exit(0)
        except BaseException as error:
            print(f"{phase}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
    os.close(writing)
    os.read(reading, 1)
    start = time.perf_counter()
    if delay is None:
        done = os.read(reading, 1) == b"d"
    else:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        done = bool(select.select([reading], [], [], 0)[0]) and os.read(reading, 1) == b"d"
    seconds = time.perf_counter() - start
    os.waitpid(child, 0)
    os.close(reading)
    if delay is None and not done:
        raise SystemExit(f"{phase} failed without a kill")
    return done, seconds


def differences(store: Store, model: Model, rng: random.Random) -> str:
    """How the gallery differs from the model; empty where it does not."""
    last = len(model.states) - 1
    if store.revision() != last:
        return f"revision {store.revision()} instead of {last}"
    for number in {last, max(0, last - 1), rng.randint(0, last)}:
        at = None if number == last else number
        now = store.enrolled(at)
        held = dict(zip((each.hash for each in store.details(now.ids.tolist())), now.labels, strict=True))
        if held != {image_hash(each): label for each, label in model.states[number][0].items()}:
            return f"other images or labels at revision {number} of {last}"
        if store.calibration(at) != model.states[number][1]:
            return f"another calibration at revision {number} of {last}"
    now, expected = store.enrolled(), {image_hash(each): each for each in model.states[-1][0]}
    details = store.details(now.ids.tolist())
    wanted = [entry(expected[each.hash], "-") for each in details]
    if not np.array_equal(store.vectors(), np.array([each.vector for each in wanted]).reshape(-1, WIDTH)):
        return "other vectors"
    for place in rng.sample(range(len(wanted)), min(5, len(wanted))):
        if store.thumbnail(int(now.ids[place])) != wanted[place].thumbnail:
            return "another thumbnail"
    return "; ".join(each for each in store.check() if not each.startswith("a purge was cut short"))


def traces(folder: Path, names: set[str]) -> str:
    """A file that holds a name, hash, vector or thumbnail that was purged."""
    needles = [name.encode() for name in names]
    needles += [entry(numbers()[name], "-").vector.tobytes() for name in names if name in numbers()]
    for path in (each for each in folder.rglob("*") if each.is_file()):
        content = path.read_bytes()
        for needle in needles:
            if needle in content:
                return f"{path.name} holds {needle[:30]!r}, which was purged"
    return ""


@functools.cache
def numbers() -> dict[str, int]:
    """The images by their hashes."""
    return {image_hash(number): number for number in range(100_000)}


def judged(folder: Path, before: Model, after: Model, done: bool, rng: random.Random) -> tuple[Model | None, str]:
    """The model that the gallery agrees with, and what is wrong."""
    try:
        if before.states == [] and not done and not (folder / "gallery.json").exists():
            return None, ""
        fresh = after.purged - before.purged
        if fresh and done and (wrong := traces(folder, fresh)):
            return after, wrong
        store = Store.open(folder)
        wrong = differences(store, after, rng)
        if not wrong:
            Store.open(folder, write=True)
            return after, differences(store, after, rng) or (traces(folder, fresh) if fresh else "")
        if done:
            return after, f"acknowledged, but: {wrong}"
        other = differences(store, before, rng)
        Store.open(folder, write=True)
        return before, f"neither before ({other}) nor after ({wrong})" if other else differences(store, before, rng)
    except Exception as error:
        return after, f"{type(error).__name__}: {error}"


def study(kills: int, seed: int, folder: Path) -> dict[str, Any]:
    """Kill until every phase was hit its share of times, and count."""
    rng = random.Random(seed)
    script, model, usual = Script(rng), Model(), {phase: [0.05] for phase in PHASES}
    hit, outcomes, wrongs = Counter(dict.fromkeys(PHASES, 0)), Counter[str](), list[str]()
    place, rounds = folder / "gallery", 0
    killed(place, "create", {}, None)
    while min(hit.values()) < -(-kills // len(PHASES)) and len(wrongs) < 5 and rounds < 20 * kills:
        rounds += 1
        phase = min(PHASES, key=lambda each: (hit[each], rng.random()))
        change = {} if phase == "create" else script.change(phase, model)
        if change is None:
            phase, change = "add", script.change("add", model) or {}
        spot = folder / f"new-{rounds}" if phase == "create" else place
        before = Model(states=[]) if phase == "create" else model
        after = before.after(phase, change)
        calm = rng.random() < 0.3  # nobody is killed, so that it is known how long a change takes
        done, seconds = killed(
            spot, phase, change, None if calm else rng.uniform(0, 1.1 * statistics.median(usual[phase]))
        )
        if calm:
            usual[phase] = [*usual[phase][-8:], seconds]
        agreed, wrong = judged(spot, before, after, done, rng)
        if phase == "create":
            if agreed is None:
                killed(spot, "create", {}, None)  # the same command, again
                agreed, wrong = judged(spot, before, after, True, rng)
            shutil.rmtree(spot)
        if not calm and not done:
            hit[phase] += 1
            outcomes["the change is there" if agreed is after else "the change is not there"] += 1
        elif not calm:
            outcomes["killed after the change was acknowledged"] += 1
        if wrong:
            wrongs.append(f"{phase}, {'acknowledged' if done else 'killed'}: {wrong}")
        if phase != "create":
            model = after if done or agreed is after else before
            if len(model.states) > 60:
                place, model = folder / f"gallery-{rounds}", Model()
                killed(place, "create", {}, None)
    return {"kills": sum(hit.values()), "by phase": dict(hit), "outcomes": dict(outcomes), "violations": wrongs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=210, help="at least so many in all, the same number in each phase")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found = study(chosen.kills, chosen.seed, Path(folder))
    print(json.dumps({**found, "seconds": round(time.perf_counter() - start)}, indent=2, ensure_ascii=False))
    if found["violations"] or min(found["by phase"].values()) == 0 or found["kills"] < chosen.kills:
        sys.exit(1)


if __name__ == "__main__":
    main()
