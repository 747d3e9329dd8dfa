"""The benchmarks check before they time, time what they say, and their guard fails on a worse ratio."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

pytest.importorskip("pytorch_metric_learning", reason="needs pytorch-metric-learning: nearkin[bench]")

ROOT = Path(__file__).parents[2]
CASES = "^small/(contrastive|circle) B"


@pytest.fixture
def bench(monkeypatch):
    """The modules of benchmarks/, which lie beside the script that imports them."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "--quick", "--only", CASES, *map(str, words)]
    return subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("benchmarks")
    answer = run("--cpu", "--json", folder / "result.json", "--keep", "--baseline", folder / "baseline.json")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder


def test_a_row_has_times_a_ratio_and_the_errors_of_both(measured):
    result = json.loads((measured / "result.json").read_text())
    assert result["schema"] == 1 and result["versions"]["torch"] and result["machine"]["cores"]
    assert [row["name"] for row in result["rows"]] == ["small/circle B=64", "small/contrastive B=64"]
    for row in result["rows"]:
        assert row["status"] == "ok"
        assert row["cpu"].keys() == row["error"].keys() == {"nearkin", "pytorch-metric-learning"}
        assert row["cpu cost"]["pytorch-metric-learning"] > 0
        assert 0 <= row["error"]["nearkin"]["gradient"] < 1e-5


@pytest.mark.parametrize(("times", "fails"), [(0.01, True), (100, False)])
def test_the_guard_fails_on_a_worse_ratio_only(measured, times, fails):
    baseline = json.loads((measured / "baseline.json").read_text())
    assert set(baseline["cost"]) == {"small/circle B=64", "small/contrastive B=64"}
    baseline["cost"] = {
        name: {one: times * cost for one, cost in found.items()} for name, found in baseline["cost"].items()
    }
    changed = measured / f"{times}.json"
    changed.write_text(json.dumps(baseline))
    answer = run("--guard", "--baseline", changed)
    assert answer.returncode == fails, answer.stdout + answer.stderr
    assert ("WORSE small/circle B=64" in answer.stdout) == fails
    assert f"2 cases compared, {2 * fails} worse" in answer.stdout


def contender(bench, name, kind, milliseconds, answer, peak=False):
    harness = bench("harness")

    def work():
        end = time.process_time() + milliseconds / 1000
        while time.process_time() < end:
            pass
        return {"value": answer}

    return harness.Contender(name, work, kind, peak)


def row_of(bench, ours, theirs, right):
    harness = bench("harness")
    contenders = [
        contender(bench, harness.OURS, "ours", 2, ours),
        contender(bench, "peer", "peer", 8, theirs),
        contender(bench, "floor (slow form)", "floor", 4, 0.0),
        contender(bench, "floor (fast form)", "floor", 1, 0.0),
    ]
    targets = [harness.Target("faster", 3, "peer"), harness.Target("cost", 1.5, "floor")]
    case = harness.Case("made up", lambda small: harness.Setup(contenders, lambda: {"value": right}), targets)
    return bench("rows").make_row(case, cpu_only=True)


def test_ratios_are_of_cpu_time_and_the_faster_floor_counts(bench):
    row = row_of(bench, ours=1.0, theirs=1.0 + 1e-4, right=1.0)
    assert row["status"] == "ok"
    assert 0.2 < row["cpu cost"]["peer"] < 0.3
    assert 1.7 < row["cpu cost"]["floor"] < 2.3
    assert [target["met"] for target in row["targets"]] == [True, False]
    assert row["cpu"]["peer"]["rounds"] == 7
    assert row["error"]["peer"]["value"] == pytest.approx(1e-4, rel=1e-3)


@pytest.mark.parametrize("wrong", [1.01, float("nan")])
def test_a_wrong_answer_of_ours_is_not_timed(bench, wrong):
    row = row_of(bench, ours=wrong, theirs=1.0, right=1.0)
    assert row["status"] == "wrong" and "cpu" not in row


def test_a_peer_that_answers_otherwise_is_not_timed(bench):
    row = row_of(bench, ours=1.0, theirs=1.01, right=1.0)
    assert row["status"] == "ok" and "peer" not in row["cpu"]
    assert "answers otherwise" in row["notes"][0]


def test_a_loss_that_the_table_lacks_is_missing_and_no_crash(bench):
    harness = bench("harness")
    case = harness.Case("made up", lambda small: bench("contenders").our_loss("none of that name"))
    assert bench("rows").make_row(case)["status"] == "missing"


GROWING = """
import harness, memory, torch

def make(small):
    run = lambda: {"value": torch.ones((1 if small else 64) << 18).sum()}
    return harness.Setup([harness.Contender(harness.OURS, run, "ours", peak=True)])

print(memory.child(harness.Case("made up", make), harness.OURS, small=False))
"""


def test_memory_is_the_growth_of_the_high_water_mark():
    """In a fresh process, as the benchmark does it: one that has freed much already grows by less."""
    answer = subprocess.run(
        [sys.executable, "-c", GROWING],
        cwd=ROOT / "benchmarks",
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert 62 < float(answer.stdout) < 72


def test_every_case_can_be_listed_and_has_a_name_of_its_own(bench):
    names = [case.name for case in bench("run").all_cases()]
    assert len(names) == len(set(names)) > 100


def test_who_takes_very_long_runs_once(bench, monkeypatch):
    monkeypatch.setattr(bench("harness"), "ENDLESS", 0.006)
    row = row_of(bench, ours=1.0, theirs=1.0, right=1.0)
    assert row["cpu"]["peer"]["rounds"] == 1 and row["cpu"]["nearkin"]["rounds"] == 7
    assert 0.15 < row["cpu cost"]["peer"] < 0.4
    assert "(1 run)" in bench("table").as_text([row])


def test_a_run_goes_on_where_another_ended(bench, monkeypatch):
    run = bench("run")
    old, new, _ = cases = run.chosen_cases("^small/")[:3]
    rows = {case.name: {"measured": f"2026-01-0{day}", "took": 60.0} for day, case in ((1, old), (3, new))}
    monkeypatch.setattr(run, "published", lambda: rows)
    assert run.left_of(cases, "2026-01-02") == [old, cases[2]]
    assert run.listed(cases).splitlines()[-1] == "3 cases; 2 of them took 2 min"


def test_what_is_published_keeps_other_rows_and_says_the_versions_of_its_own(bench, tmp_path):
    results = bench("results")
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks.md").write_text(f"before {results.BEGIN} {results.END} after")
    first, second = (row_of(bench, 1.0, 1.0, 1.0) | {"name": name} for name in ("first", "second"))
    results.publish([second], ["first", "second"], tmp_path)
    results.publish([first], ["first", "second"], tmp_path)
    rows = results.published(tmp_path)
    assert list(rows) == ["first", "second"]
    assert all(row["versions"]["torch"] and row["took"] > 0 and row["measured"] for row in rows.values())
    page = (tmp_path / "benchmarks.md").read_text()
    assert page.startswith("before") and page.endswith("after") and page.index("| first") < page.index("| second")


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a GPU")
def test_a_gpu_that_is_not_there_is_said():
    answer = run("--device", "cuda")
    assert answer.returncode == 1 and "there is no CUDA device here" in answer.stderr


def test_what_a_gpu_runs_is_published_beside_what_the_cpu_did(bench, monkeypatch, tmp_path):
    results, row = bench("results"), row_of(bench, 1.0, 1.0, 1.0)
    (tmp_path / "benchmarks").mkdir()
    page = tmp_path / "benchmarks.md"
    page.write_text("\n".join([results.BEGIN, results.END, results.GPU_BEGIN, "nothing yet", results.GPU_END]))
    results.publish([row], ["made up"], tmp_path)
    monkeypatch.setattr(bench("placement"), "_chosen", torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    there = row["cpu"] | {"nearkin": {"seconds": 0.5, "rounds": 7}}
    results.publish([row | {"cpu": there}], ["made up"], tmp_path)
    assert page.read_text().count("| made up |") == 2 and "500 ms" in page.read_text().split(results.GPU_BEGIN)[1]
    assert "nothing yet" not in page.read_text()
    assert json.loads((tmp_path / "benchmarks" / "results-cuda.json").read_text())["machine"]["device"] == "a GPU"
    assert len(bench("run").chosen_cases("^(k-means|small/circle)")) == 1


def test_a_row_says_when_others_worked_beside_it(bench, monkeypatch):
    neighbours, row = bench("neighbours"), row_of(bench, 1.0, 1.0, 1.0)
    row |= {"wall": row["cpu"], "wall cost": row["cpu cost"]}
    looks = iter([(100.0, 1000.0, 10.0), (110.0, 1015.0, 20.0)])
    monkeypatch.setattr(neighbours, "_now", lambda: next(looks))
    assert neighbours.Neighbours().cores() == 0.5
    table = bench("table")
    assert "beside other work" in table.as_text([row | {"others": 0.5}])
    assert "beside other work" not in table.as_text([row | {"others": 0.1}])
    assert "beside other work" not in table.as_text([row | {"others": None}])


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="only Linux tells what its cores do")
def test_the_own_work_is_not_that_of_others(bench):
    clock, everybody, mine = bench("neighbours")._now()
    sum(range(30_000_000))
    later = bench("neighbours")._now()
    assert later[0] > clock and later[2] - mine > 0.2 and later[1] - everybody > 0.5 * (later[2] - mine)
