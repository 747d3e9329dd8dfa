"""The result as files: JSON with machine, versions and date; the table and the plot of the documentation."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from placement import here, on_gpu
from plot import as_svg
from table import as_markdown

SCHEMA = 1
DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "benchmarks.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
GPU_BEGIN, GPU_END = "<!-- gpu: begin -->", "<!-- gpu: end -->"
PACKAGES = (
    "nearkin",
    "torch",
    "numpy",
    "pytorch-metric-learning",
    "open-metric-learning",
    "scikit-learn",
    "faiss-cpu",
)


def result(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Everything about a run, as plain JSON values."""
    kept = [{key: value for key, value in row.items() if key != "trace"} for row in rows]
    return {"schema": SCHEMA, "created": now(), "machine": machine(), "versions": versions(), "rows": kept}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def machine() -> dict[str, Any]:
    """What the times depend on."""
    return ({"device": torch.cuda.get_device_name()} if on_gpu() else {}) | {
        "processor": _line(Path("/proc/cpuinfo"), "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "memory": _line(Path("/proc/meminfo"), "MemTotal"),
        "system": platform.platform(),
    }


def versions() -> dict[str, str]:
    """Installed versions; a peer that is absent is not listed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _line(path: Path, name: str) -> str:
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def save(rows: Sequence[dict[str, Any]], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result(rows), indent=1) + "\n", encoding="utf-8")


def publish(rows: Sequence[dict[str, Any]], names: Sequence[str], docs: Path = DOCS) -> None:
    """Write results.json, results.svg and the page's table; rows of earlier runs stay where this run has none.

    names: of all cases there are, in their order; a row of no such name is dropped.
    """
    path = _file(docs)
    merged = published(docs) | {row["name"]: {**row, "versions": versions()} for row in rows}
    ordered = [merged[name] for name in names if name in merged]
    save(ordered, path)
    if not on_gpu():
        path.with_suffix(".svg").write_text(as_svg(ordered), encoding="utf-8")
    _insert(docs / PAGE.name, as_markdown(ordered), *((GPU_BEGIN, GPU_END) if on_gpu() else (BEGIN, END)))


def published(docs: Path = DOCS) -> dict[str, dict[str, Any]]:
    """The rows in docs/, by name; each says when it was measured, with which versions, and how long it took."""
    path = _file(docs)
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    return {row["name"]: row for row in rows}


def _file(docs: Path) -> Path:
    """The JSON of the device."""
    return docs / "benchmarks" / (f"results-{here().type}.json" if on_gpu() else "results.json")


def _insert(page: Path, table: str, begin: str, end: str) -> None:
    text = page.read_text(encoding="utf-8")
    head, rest = text.split(begin)
    tail = rest.split(end)[1]
    page.write_text(f"{head}{begin}\n{table}\n{end}{tail}", encoding="utf-8")
