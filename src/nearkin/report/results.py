"""The numbers as files: results.json with everything, results.csv and results.parquet as one flat table.

Text in results.csv. A spreadsheet takes a cell that begins with = + - @ or a control character for a formula, even in
quotes. A name may be any text, so a text that begins so is written with an apostrophe before it, the spreadsheets' own
mark for text, and a text that itself begins with an apostrophe gets one more. A reader that takes off one leading
apostrophe has every name literally. Numbers are never marked. Class names are not in this file. results.json and
results.parquet have types and hold every text as it is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nearkin.core import need, write_atomically, write_json
from nearkin.report.reading import SCHEMA
from nearkin.report.summary import ProtocolSummary, Row, Summary
from nearkin.report.trials import Trials
from nearkin.statistics import Difference

DIGITS = 9
FORMULA_STARTS = ("=", "+", "-", "@", "'", "\t", "\r", "\n")
COLUMNS = (
    "protocol", "method", "kind", "score", "value", "low", "high", "confidence", "over", "seeds", "queries",
    "baseline", "difference", "difference_low", "difference_high", "p", "p_holm", "verdict", "detectable",
)  # fmt: skip


def write_results(summary: Summary, folder: Path, *, tables: bool) -> list[Path]:
    """Write results.json and results.csv, and results.parquet where `tables` is asked for (extra `tables`)."""
    rows = [row for protocol in summary.protocols for row in flat_rows(summary, protocol)]
    written = [
        write_json(folder / "results.json", as_json(summary)),
        write_atomically(folder / "results.csv", _csv(rows)),
    ]
    if tables:
        written.append(_write_parquet(folder / "results.parquet", rows))
    return written


def as_json(summary: Summary) -> dict[str, Any]:
    """Everything that was worked out, but pictures and points."""
    study = summary.study
    return {
        "schema": SCHEMA,
        "name": study.name,
        "created": study.created,
        "nearkin": study.nearkin,
        "versions": dict(study.versions),
        "command": study.command,
        "budget": dict(study.budget),
        "data": {
            "name": study.data.name,
            "hash": study.data.hash,
            "images": study.data.images,
            "source": study.data.source,
        },
        "seeds": list(study.seeds),
        "primary": study.primary,
        "baseline": study.baseline,
        "tuned": study.tuned,
        "methods": [
            {"name": m.name, "description": m.description, "kind": m.kind, "settings": dict(m.settings)}
            for m in study.methods
        ],
        "protocols": [_protocol(protocol) for protocol in summary.protocols],
    }


def _protocol(protocol: ProtocolSummary) -> dict[str, Any]:
    split = protocol.split
    return {
        "protocol": split.protocol,
        "split": {"seed": split.seed, "train": split.train, "validation": split.validation, "test": len(split.test)},
        "classes": dict(zip(protocol.classes, protocol.class_sizes)),
        "rows": [_row(row) for row in protocol.rows],
        "pairs": [_difference(pair) for pair in protocol.pairs],
        "best": protocol.best,
        "level_with_best": list(protocol.level),
        "maps": [
            {"method": m.method, "seed": m.seed, "how": m.how, "neighbours_kept": _rounded(m.kept)}
            for m in protocol.maps
        ],
        "separation": [
            {"method": s.method, "distance": s.distance, "nearer": _rounded(s.nearer)} for s in protocol.separations
        ],
        "mixups": {c.method: [[m.true, m.answered, m.count] for m in c.mixups] for c in protocol.confusions},
        "missing": [list(run) for run in protocol.missing],
        "trials": [_trials(trials) for trials in protocol.trials],
    }


def _trials(trials: Trials) -> dict[str, Any]:
    lowest, middle, highest = trials.spread or (None, None, None)
    return {
        "method": trials.method,
        "scores": {str(number): _rounded(score) for number, score in trials.scores.items()},
        "failed": trials.failed,
        "lowest": _rounded(lowest),
        "median": _rounded(middle),
        "highest": _rounded(highest),
        "chosen": trials.chosen,
        "settings": dict(trials.settings),
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "method": row.method.name,
        "seeds": list(row.seeds),
        "scores": {name: _numbers(score.as_dict()) for name, score in row.scores.items()},
        "runs": {str(seed): _numbers(scores) for seed, scores in row.runs.items()},
        "classes": _numbers(row.classes),
        "difference": _difference(row.difference) if row.difference else None,
        "verdict": row.verdict,
        "detail": row.detail,
        "chosen_seed": row.chosen,
    }


def _difference(found: Difference) -> dict[str, Any]:
    return _numbers({name: value for name, value in found.as_dict().items() if name != "components"})


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _rounded(value) if isinstance(value, float) else value for name, value in values.items()}


def _rounded(value: float | None) -> float | None:
    """Nine significant digits: all that is meant, and the same on every machine."""
    return None if value is None else float(f"{value:.{DIGITS}g}")


def flat_rows(summary: Summary, protocol: ProtocolSummary) -> list[dict[str, Any]]:
    """One row a method and score; the difference stands in the row of the primary score."""
    rows = []
    for row in protocol.rows:
        for name, score in row.scores.items():
            found = row.difference if name == summary.study.primary else None
            values = (
                protocol.split.protocol, row.method.name, row.method.kind, name,
                score.estimate, score.low, score.high, score.confidence, score.over, len(row.seeds), score.queries,
                summary.study.baseline, *((found.estimate, found.low, found.high, found.p, found.p_adjusted) if found else (None,) * 5),
                row.verdict if name == summary.study.primary else None, found.detectable if found else None,
            )  # fmt: skip
            rows.append(_numbers(dict(zip(COLUMNS, values))))
    return rows


def safe_cell(value: object) -> object:
    """A text that no spreadsheet takes for a formula; numbers and None as they are.

    >>> safe_cell("=1+1"), safe_cell("007"), safe_cell("'quoted"), safe_cell(-0.5)
    ("'=1+1", '007', "''quoted", -0.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def _csv(rows: list[dict[str, Any]]) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([safe_cell(row[name]) for name in COLUMNS] for row in rows)
    return file.getvalue()


def _write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    arrow = need("pyarrow", extra="tables", purpose="results.parquet")
    parquet = need("pyarrow.parquet", extra="tables", purpose="results.parquet")
    texts = ("protocol", "method", "kind", "score", "over", "baseline", "verdict")
    counts = ("seeds", "queries")
    kinds = [
        (name, arrow.string() if name in texts else arrow.int64() if name in counts else arrow.float64())
        for name in COLUMNS
    ]
    table = arrow.Table.from_pylist(rows, schema=arrow.schema(kinds).with_metadata({"nearkin.schema": str(SCHEMA)}))
    return write_atomically(path, lambda file: parquet.write_table(table, file))
