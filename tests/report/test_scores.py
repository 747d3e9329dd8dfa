"""The numbers of the result table, against slow loops over the files themselves."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nearkin.report import Summary, summarise, to_html
from nearkin.report.records import column_of
from nearkin.report.summary import ProtocolSummary, Row
from nearkin.report.words import findings
from report.make_study import METHODS, make_study


def row_of(protocol: ProtocolSummary, method: str) -> Row:
    return next(row for row in protocol.rows if row.method.name == method)


def runs_of(study: Path, protocol: str, method: str) -> dict[int, Path]:
    found = [(json.loads(path.read_text()), path.parent) for path in study.glob("runs/*/run.json")]
    return {run["seed"]: folder for run, folder in found if run["protocol"] == protocol and run["method"] == method}


def cells_of(folder: Path, column: str) -> list[float]:
    with open(folder / "records.csv", newline="") as file:
        return [float(row[column]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("score", ["map@r", "recall@4", "precision@1", "knn@5", "r-precision"])
def test_a_score_is_the_mean_over_queries_and_seeds(study: Path, summary: Summary, score: str) -> None:
    for protocol in summary.protocols:
        for method in ("triplet", "raw pixels"):
            runs = runs_of(study, protocol.split.protocol, method)
            values = [value for folder in runs.values() for value in cells_of(folder, column_of(score))]
            found = row_of(protocol, method).scores[score]
            assert found.estimate == pytest.approx(sum(values) / len(values))
            assert found.low is not None
            assert found.high is not None
            assert found.low <= found.estimate <= found.high


def test_differences_are_paired_with_the_baseline(study: Path, summary: Summary) -> None:
    for protocol in summary.protocols:
        base = runs_of(study, protocol.split.protocol, "untrained")
        mine = runs_of(study, protocol.split.protocol, "triplet")
        by_hand = np.mean(
            [np.array(cells_of(mine[seed], "ap@r")) - np.array(cells_of(base[seed], "ap@r")) for seed in base]
        )
        found = row_of(protocol, "triplet").difference
        assert found is not None
        assert found.estimate == pytest.approx(by_hand)
        assert found.comparisons == len(METHODS) - 1
        assert row_of(protocol, "triplet").verdict == "better"


def test_the_table_has_its_references_and_is_sorted(summary: Summary) -> None:
    for protocol in summary.protocols:
        kinds = [row.method.kind for row in protocol.rows]
        assert kinds == sorted(kinds, key=lambda kind: kind != "trained")
        assert {"untrained", "pixels"} <= set(kinds)
        trained = [row.scores["map@r"].estimate for row in protocol.rows if row.method.kind == "trained"]
        assert trained == sorted(trained, reverse=True)
        assert row_of(protocol, "untrained").verdict == "baseline"


def test_the_same_method_twice_is_called_equal(tmp_path: Path) -> None:
    methods = (METHODS[2], METHODS[7], METHODS[0])
    study = make_study(tmp_path / "s", methods=methods, protocols=("closed-set",))
    document = json.loads((study / "study.json").read_text())
    document["baseline"] = "siamese"
    (study / "study.json").write_text(json.dumps(document))
    row = row_of(summarise(study).protocols[0], "siamese again")
    assert row.verdict == "equal"
    assert "no difference seen" in row.detail
    assert "could have been seen" in row.detail


def test_one_seed_claims_nothing(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s", methods=METHODS[:4], protocols=("closed-set",), seeds=(0,))
    summary = summarise(study)
    protocol = summary.protocols[0]
    assert {row.verdict for row in protocol.rows if row.method.kind == "trained"} == {"not tested"}
    assert protocol.level == ()
    assert any(said.startswith("Not tested: one seed") for said in findings(summary, protocol))


def test_an_unfinished_method_keeps_its_row_but_is_not_compared(small: Path) -> None:
    folder = runs_of(small, "closed-set", "triplet")[1]
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(run | {"status": "training"}))
    protocol = summarise(small).protocols[0]
    row = row_of(protocol, "triplet")
    assert row.verdict == "unfinished"
    assert row.seeds == (0,)
    assert row.difference is None
    assert protocol.missing == (("triplet", 1),)
    assert row_of(protocol, "siamese").difference is not None


def test_the_best_differs_from_all_only_where_every_pair_says_so(summary: Summary) -> None:
    protocol = replace(summary.protocols[0], level=())
    claimed = tuple(replace(pair, claimed=True) for pair in protocol.pairs)
    sentence = "It differs from every other method, all pairs taken together."
    assert sentence not in findings(summary, protocol)
    assert sentence in findings(summary, replace(protocol, pairs=claimed))


def test_what_training_noticed_is_said_once_a_method(small: Path) -> None:
    for seed, folder in runs_of(small, "closed-set", "triplet").items():
        run = json.loads((folder / "run.json").read_text())
        run["notes"] = [f"step {40 + seed}: the embeddings have shrunk to a point", "k-means with 10 clusters"]
        (folder / "run.json").write_text(json.dumps(run))
    summary = summarise(small)
    said = [one for one in findings(summary, summary.protocols[0]) if "shrunk" in one or "k-means" in one]
    assert said == ["triplet, seed 0, step 40: the embeddings have shrunk to a point"]


def test_scores_of_every_form_have_a_row(small: Path) -> None:
    for path in small.glob("runs/*/run.json"):
        run = json.loads(path.read_text())
        run["scores"] |= {"knn@5-weighted": 0.5, "pairwise-f1": 0.25}
        path.write_text(json.dumps(run))
    summary = summarise(small)
    scores = summary.protocols[0].rows[0].scores
    assert scores["pairwise-f1"].estimate == scores["pairwise-f1"].low == 0.25
    assert scores["knn@5-weighted"].over == "seeds"
    assert "kNN@5 weighted" in to_html(summary)


def test_pixels_run_once_count_for_every_seed(summary: Summary) -> None:
    row = row_of(summary.protocols[0], "raw pixels")
    assert row.seeds == (0,)
    assert row.difference is not None
    assert row.difference.seeds == 3
    assert not summary.protocols[0].missing


def test_pixels_may_be_the_baseline(small: Path) -> None:
    document = json.loads((small / "study.json").read_text())
    document["baseline"] = "raw pixels"
    (small / "study.json").write_text(json.dumps(document))
    row = row_of(summarise(small).protocols[0], "triplet")
    assert row.difference is not None
    assert row.difference.seeds == 2


def test_a_query_without_a_score_is_left_out(small: Path) -> None:
    for folder in (path.parent for path in small.glob("runs/*/run.json")):
        with open(folder / "records.csv", newline="") as file:
            rows = list(csv.reader(file))
        rows[1][rows[0].index("ap@r")] = ""
        with open(folder / "records.csv", "w", newline="") as file:
            csv.writer(file).writerows(rows)
        run = json.loads((folder / "run.json").read_text())
        run["scores"]["map@r"] = float(np.mean([float(row[rows[0].index("ap@r")]) for row in rows[2:]]))
        (folder / "run.json").write_text(json.dumps(run))
    protocol = summarise(small).protocols[0]
    assert protocol.rows[0].scores["map@r"].queries == len(protocol.split.test) - 1
    assert protocol.rows[0].scores["recall@1"].queries == len(protocol.split.test)


def test_the_drawn_run_is_the_median_one(study: Path, summary: Summary) -> None:
    for protocol in summary.protocols:
        for row in protocol.rows:
            scores = sorted(run["map@r"] for run in row.runs.values())
            assert row.runs[row.chosen]["map@r"] == scores[(len(scores) - 1) // 2]


def test_class_means_are_those_of_the_records(study: Path, summary: Summary) -> None:
    protocol = summary.protocols[0]
    runs = runs_of(study, protocol.split.protocol, "siamese")
    values = []
    for folder in runs.values():
        with open(folder / "records.csv", newline="") as file:
            values += [float(row["ap@r"]) for row in csv.DictReader(file) if row["class"] == "8"]
    assert row_of(protocol, "siamese").classes["8"] == pytest.approx(np.mean(values))


def test_the_best_and_its_equals_come_from_all_pairs(summary: Summary) -> None:
    for protocol in summary.protocols:
        best = max(protocol.rows, key=lambda row: row.scores["map@r"].estimate).method.name
        assert protocol.best == best
        level = {
            pair.a if pair.b == best else pair.b
            for pair in protocol.pairs
            if best in (pair.a, pair.b) and not pair.claimed
        }
        assert set(protocol.level) == level - {"untrained"}
        assert len(protocol.pairs) == len(METHODS) * (len(METHODS) - 1) // 2


def classified(folder: Path, *, trained_only: bool = True) -> None:
    """Give the trained runs of a study a classifier's accuracy, and make it the score that decides."""
    facts = json.loads((folder / "study.json").read_text())
    trained = [method["name"] for method in facts["methods"] if method["kind"] == "trained"]
    (folder / "study.json").write_text(json.dumps(facts | {"primary": "accuracy", "baseline": trained[0]}))
    for path in folder.glob("runs/*/run.json"):
        run = json.loads(path.read_text())
        if run["method"] in trained:
            with open(path.parent / "records.csv", newline="") as file:
                rows = list(csv.reader(file))
            rng = np.random.default_rng(len(run["method"]) + run["seed"])
            right = (rng.random(len(rows) - 1) < 0.8).astype(int)
            with open(path.parent / "records.csv", "w", newline="") as file:
                csv.writer(file).writerows([[*rows[0], "accuracy"], *([*row, r] for row, r in zip(rows[1:], right))])
            run["scores"]["accuracy"] = float(right.mean())
            path.write_text(json.dumps(run))


def test_a_row_without_the_score_that_decides_stands_last_and_is_not_tested(small: Path) -> None:
    classified(small)
    summary = summarise(small)
    (protocol,) = summary.protocols
    untrained, trained = row_of(protocol, "untrained"), row_of(protocol, "triplet")
    assert protocol.scores[0] == "accuracy"
    assert [row.verdict for row in protocol.rows[-2:]] == ["not tested", "not tested"]
    assert untrained.detail == "it has no Accuracy"
    assert "map@r" in untrained.scores
    assert trained.difference is not None
    assert trained.verdict != "not tested"
    assert not any(said.startswith("Not tested") for said in findings(summary, protocol))
    assert "Accuracy minus siamese" in to_html(summary)


def test_features_know_no_seed(small: Path) -> None:
    facts = json.loads((small / "study.json").read_text())
    facts["methods"][1]["kind"] = "features"
    (small / "study.json").write_text(json.dumps(facts | {"baseline": "raw pixels"}))
    summary = summarise(small)
    assert not summary.protocols[0].missing
    assert row_of(summary.protocols[0], "triplet").difference is not None
