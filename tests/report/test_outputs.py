"""The files and the terminal table: the same bytes from the same folder, names literal, no formula in a spreadsheet."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nearkin.core import MissingExtra
from nearkin.report import Summary, build_report, summarise, to_table
from nearkin.report.results import FORMULA_STARTS, safe_cell
from nearkin.report.terminal import literal
from nearkin.report.words import findings, shows
from report.make_study import make_study


def printed(summary: Summary, width: int = 80) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(to_table(summary))
    console.file.close()
    return console.export_text()


def test_the_same_folder_gives_the_same_bytes(small: Path) -> None:
    names = ("results.json", "results.csv", "report.html")
    build_report(small)
    first = [(small / name).read_bytes() for name in names]
    build_report(small)
    assert [(small / name).read_bytes() for name in names] == first


def test_results_json_says_what_the_table_says(study: Path, page: Path, summary: Summary) -> None:
    results = json.loads(
        (study / "results.json").read_text(), parse_constant=lambda text: pytest.fail(f"{text} is not JSON")
    )
    assert results["data"]["hash"] == summary.study.data.hash
    assert results["versions"]
    assert results["seeds"] == [0, 1, 2]
    for protocol, told in zip(summary.protocols, results["protocols"]):
        for row, said in zip(protocol.rows, told["rows"]):
            assert said["method"] == row.method.name
            assert said["verdict"] == row.verdict
            assert said["scores"]["map@r"]["estimate"] == pytest.approx(row.scores["map@r"].estimate, rel=1e-8)
            assert (said["difference"] is None) == (row.difference is None)


def test_intervals_are_said_to_cover_what_they_cover(tmp_path: Path) -> None:
    several, one = (
        summarise(make_study(tmp_path / str(len(seeds)), protocols=("closed-set",), seeds=seeds)) for seeds in ((0, 1, 2), (4,))
    )
    assert "95 % intervals over classes and seeds, NMI over seeds" in flat(printed(several))
    assert "seed 4; 95 % intervals over classes " in flat(printed(one))
    assert any("other classes like these and other trainings" in said for said in shows(several))
    assert not any("trainings" in said or "seeds" in said for said in shows(one))
    (level,) = (said for said in findings(several, several.protocols[0]) if "cannot tell it" in said)
    assert level.startswith("With all ")
    assert level.endswith("; with 3 seeds their intervals are wide.")


def flat(text: str) -> str:
    return " ".join(text.split()) + " "


def test_results_csv_is_one_row_a_method_and_score(study: Path, page: Path, summary: Summary) -> None:
    with open(study / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(row.scores) for protocol in summary.protocols for row in protocol.rows)
    primary = [row for row in rows if row["score"] == "map@r"]
    assert all(row["verdict"] for row in primary)
    assert all((row["difference"] == "") == (row["method"] == "untrained") for row in primary)


def test_a_name_is_no_formula_in_the_csv_and_literal_in_json(worst_page: Path) -> None:
    text = (worst_page.parent / "results.csv").read_text()
    with open(worst_page.parent / "results.csv", newline="") as file:
        methods = {row["method"] for row in csv.DictReader(file)}
    assert methods == {"untrained", "raw pixels", "'=<b>cmd</b>"}
    assert not any(cell.startswith("=") for line in text.splitlines() for cell in line.split(","))
    results = json.loads((worst_page.parent / "results.json").read_text())
    assert {row["method"] for row in results["protocols"][0]["rows"]} == {"untrained", "raw pixels", "=<b>cmd</b>"}
    assert set(results["protocols"][0]["classes"]) >= {"=1+1", "007", "NaN", "../x", "null"}


@given(st.text())
def test_a_safe_cell_starts_no_formula_and_can_be_taken_back(text: str) -> None:
    cell = str(safe_cell(text))
    assert not cell.startswith(tuple(start for start in FORMULA_STARTS if start != "'"))
    assert (cell[1:] if cell.startswith("'") else cell) == text


def test_parquet_holds_the_same_rows(small: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    build_report(small, tables=True)
    table = parquet.read_table(small / "results.parquet").to_pylist()
    with open(small / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in table] == [row["method"] for row in rows]
    assert [row["value"] for row in table] == [float(row["value"]) for row in rows]


def test_parquet_names_its_extra(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"nearkin\[tables\]"):
        build_report(small, tables=True)


def test_the_terminal_table_fits_and_says_what_it_must(summary: Summary) -> None:
    text = printed(summary)
    assert text.count("defaults, not tuned") == 2
    assert max(map(len, text.splitlines())) <= 80
    assert "could have seen" in text
    for row in summary.protocols[0].rows:
        assert row.method.name.split()[0] in text
    assert "+0." in text
    assert "better" in text


def test_a_tuned_study_is_not_headed_untuned(small: Path) -> None:
    document = json.loads((small / "study.json").read_text())
    (small / "study.json").write_text(json.dumps(document | {"tuned": True}))
    assert "defaults, not tuned" not in printed(summarise(small))
    assert "tuned on validation data" in printed(summarise(small))


def test_names_cannot_steer_the_terminal(worst_page: Path) -> None:
    assert literal("a\x1b[2J\x07[bold]b") == "a\\x1b[2J\\x07[bold]b"
    assert "=<b>cmd</b>" in printed(summarise(worst_page.parent))


def test_the_room_imports_nothing_heavy() -> None:
    code = "import sys, nearkin.report; sys.exit(', '.join({'torch', 'sklearn', 'matplotlib', 'pandas', 'pyarrow', 'openTSNE'} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
