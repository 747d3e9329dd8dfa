"""Rows as a table: plain text for a terminal, Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness import OURS, ROUNDS

SHORT = {"pytorch-metric-learning": "PML", "open-metric-learning": "OML"}

BESIDE = 0.3
"""Cores kept busy by others from which on the table says that there was other work."""

HEADINGS = (
    "case",
    "time",
    "against",
    "wall, two threads",
    "extra memory",
    "largest error",
    "promise",
)


def cells(row: dict[str, Any]) -> list[str]:
    """One row's cells."""
    if row["status"] != "ok":
        return [row["name"], f"{row['status']}: {row['why']}", "", "", "", _errors(row), ""]
    return [
        row["name"],
        _time(row),
        _costs(row, "cpu"),
        _costs(row, "wall") + (", beside other work" if "wall" in row and (row.get("others") or 0) > BESIDE else ""),
        _memory(row),
        _errors(row),
        _promises(row),
    ]


def _time(row: dict[str, Any]) -> str:
    if "cpu" not in row:
        return "-"
    entry = row["cpu"][OURS]
    return _milliseconds(entry["seconds"]) + _runs(entry["rounds"])


def _runs(rounds: int) -> str:
    """Said where there are fewer than usual."""
    return "" if rounds >= ROUNDS else f" ({rounds} run{'s' if rounds > 1 else ''})"


def _milliseconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 10 else f"{1000 * seconds:.{2 if seconds < 0.1 else 0}f} ms"


def _costs(row: dict[str, Any], key: str) -> str:
    parts = []
    for name, cost in row.get(f"{key} cost", {}).items():
        runs = _runs(min(row[key][name]["rounds"], row[key][OURS]["rounds"]))
        if name in SHORT or not name.startswith(("distance", "products", "training", "matrix")):
            parts.append(
                f"{SHORT.get(name, name)} {1 / cost:.3g}x slower{runs}"
                if cost < 1
                else f"{SHORT.get(name, name)} {cost:.2f}x faster{runs}"
            )
        else:
            parts.append(f"{cost:.3g} of {name}{runs}")
    return "; ".join(parts) or "-"


def _memory(row: dict[str, Any]) -> str:
    found = row.get("memory", {})
    return (
        "; ".join(
            f"{'' if name == OURS else SHORT.get(name, name) + ' '}{value:,.0f} MB" for name, value in found.items()
        )
        or "-"
    )


def _errors(row: dict[str, Any]) -> str:
    found = row.get("error", {})
    return (
        "; ".join(
            f"{'' if name == OURS else SHORT.get(name, name) + ' '}{max(errors.values()):.0e}"
            for name, errors in found.items()
            if errors
        )
        or "-"
    )


def _promises(row: dict[str, Any]) -> str:
    found = row.get("targets", [])
    return "; ".join(
        f"{'?' if one['met'] is None else 'yes' if one['met'] else 'NO'}: {_shortened(one['words'])}" for one in found
    )


def _shortened(words: str) -> str:
    for name, short in SHORT.items():
        words = words.replace(name, short)
    return words


def as_text(rows: Sequence[dict[str, Any]]) -> str:
    """Columns as wide as their longest cell."""
    lines = [list(HEADINGS), *map(cells, rows)]
    ok = [line for line, row in zip(lines[1:], rows) if row["status"] == "ok"]
    widths = [max(len(line[i]) for line in [lines[0], *ok]) for i in range(len(HEADINGS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def as_markdown(rows: Sequence[dict[str, Any]]) -> str:
    lines = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    return "\n".join(lines + ["| " + " | ".join(cells(row)) + " |" for row in rows])
