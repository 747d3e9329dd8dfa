"""A folder that is missing, damaged or contradicts itself is refused with words that name the file and the fault."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearkin.core import InputError
from nearkin.report import build_report, summarise


def change_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def a_run(study: Path, method: str = "siamese") -> Path:
    return next(
        path.parent
        for path in sorted(study.glob("runs/*/run.json"))
        if json.loads(path.read_text())["method"] == method
    )


def change_records(path: Path, change: Callable[[list[list[str]]], object]) -> None:
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    change(rows)
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)


def drop_runs(study: Path) -> None:
    for path in study.glob("runs/*/run.json"):
        change_json(path, lambda run: run.update(status="training"))


def copy_run(study: Path) -> None:
    run = a_run(study)
    (run.parent / "ffff").mkdir()
    for file in run.iterdir():
        (run.parent / "ffff" / file.name).write_bytes(file.read_bytes())


def nan_embeddings(study: Path) -> None:
    for path in study.glob("runs/*/embeddings.npy"):
        np.save(path, np.full_like(np.load(path), np.nan))


def cell(row: int, name: str, value: str) -> Callable[[list[list[str]]], None]:
    def change(rows: list[list[str]]) -> None:
        rows[row][rows[0].index(name)] = value

    return change


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no study.json": (lambda s: (s / "study.json").unlink(), r"study\.json is missing"),
    "half a study.json": (lambda s: (s / "study.json").write_text('{"schema": 1, "na'), r"study\.json cannot be read"),
    "a list": (lambda s: (s / "study.json").write_text("[]"), "must hold a JSON object"),
    "a newer schema": (lambda s: change_json(s / "study.json", lambda v: v.update(schema=99)), "newer than this nearkin"),
    "no methods": (lambda s: change_json(s / "study.json", lambda v: v.update(methods=[])), "at least one"),
    "a field gone": (lambda s: change_json(s / "study.json", lambda v: v.pop("primary")), "no field 'primary'"),
    "a wrong type": (lambda s: change_json(s / "study.json", lambda v: v.update(tuned="yes")), "'tuned' must be bool"),
    "an unknown kind": (lambda s: change_json(s / "study.json", lambda v: v["methods"][0].update(kind="magic")), "kind must be one of"),
    "a strange baseline": (lambda s: change_json(s / "study.json", lambda v: v.update(baseline="x")), "one of them the baseline 'x'"),
    "a protocol that leaves the folder": (lambda s: change_json(s / "study.json", lambda v: v.update(protocols=["../x"])), "plain name"),
    "a primary score nobody has": (lambda s: change_json(s / "study.json", lambda v: v.update(primary="map@9")), "no finished run has the primary"),
    "a class less": (lambda s: change_json(s / "study.json", lambda v: v["data"]["classes"].pop()), "class '9', which study.json does not list"),
    "a method less": (lambda s: change_json(s / "study.json", lambda v: v["methods"].pop()), "which study.json does not list"),
    "no split": (lambda s: (s / "splits/closed-set.json").unlink(), r"closed-set\.json is missing"),
    "a test image twice": (lambda s: change_json(s / "splits/closed-set.json", lambda v: v["test"].append(v["test"][0])), "named once"),
    "other test images": (lambda s: change_json(s / "splits/closed-set.json", lambda v: v["test"].reverse()), "does not answer for the test images"),
    "nothing finished": (drop_runs, "no finished run"),
    "a run twice": (copy_run, "two finished runs of method 'siamese'"),
    "no records": (lambda s: (a_run(s) / "records.csv").unlink(), r"records\.csv is missing"),
    "half a record": (lambda s: (a_run(s) / "records.csv").write_text((a_run(s) / "records.csv").read_text()[:-200]), "damaged"),
    "a column gone": (lambda s: change_records(a_run(s) / "records.csv", cell(0, "neighbours", "x")), "no column 'neighbours'"),
    "text for a number": (lambda s: change_records(a_run(s) / "records.csv", cell(1, "ap@r", "high")), "column 'ap@r'"),
    "an infinite score": (lambda s: change_records(a_run(s) / "records.csv", cell(1, "ap@r", "inf")), "infinite"),
    "a foreign neighbour": (lambda s: change_records(a_run(s) / "records.csv", cell(1, "neighbours", "99999 3")), "no test image"),
    "another class": (lambda s: change_records(a_run(s) / "records.csv", cell(1, "class", "other")), "disagree"),
    "a changed score": (lambda s: change_json(a_run(s) / "run.json", lambda v: v["scores"].update({"map@r": 0.99})), "one of them was changed"),
    "no embeddings": (lambda s: [p.unlink() for p in s.glob("runs/*/embeddings.npy")], r"embeddings\.npy is missing"),
    "NaN embeddings": (nan_embeddings, "NaN or infinity"),
    "embeddings of other images": (lambda s: [np.save(p, np.load(p)[:5]) for p in s.glob("runs/*/embeddings.npy")], "must be floats"),
    "embeddings that are no array": (lambda s: [p.write_bytes(b"junk") for p in s.glob("runs/*/embeddings.npy")], "cannot be read"),
    "thumbnails of other images": (lambda s: np.save(s / "thumbnails/closed-set.npy", np.zeros((3, 8, 8, 1), np.uint8)), "must be uint8"),
    "curves with text": (lambda s: (a_run(s) / "curves.csv").write_text("step,loss,active,validation\n1,low,0,0\n"), r"curves\.csv: could not"),
    "curves without a column": (lambda s: (a_run(s) / "curves.csv").write_text("step,loss\n1,2\n"), "no column 'active'"),
}  # fmt: skip


@pytest.mark.parametrize("fault", DAMAGE)
def test_damage_is_named_and_nothing_is_written(small: Path, fault: str) -> None:
    damage, words = DAMAGE[fault]
    damage(small)
    with pytest.raises(InputError, match=words):
        build_report(small)
    assert not (small / "results.json").exists()
    assert not (small / "report.html").exists()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no study folder .*nowhere"):
        summarise(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="no study folder"):
        summarise(tmp_path / "file")
    with pytest.raises(InputError, match="must be a path"):
        summarise(7)  # type: ignore[arg-type]


def test_an_unknown_kind_of_map_is_refused(small: Path) -> None:
    with pytest.raises(InputError, match="'pca', 'tsne'"):
        summarise(small, maps="tnse")


def test_the_undamaged_folder_is_fine(small: Path) -> None:
    assert build_report(small) == small / "report.html"
