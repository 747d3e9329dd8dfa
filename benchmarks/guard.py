"""The guard: no ratio may be worse than the stored one by more than a slack. Times are never compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BASELINE = Path(__file__).with_name("baseline.json")

SLACK = 0.35
"""Share by which a ratio may exceed the stored one: medians of seven on a busy machine differ by a quarter at times."""

Costs = Mapping[str, Mapping[str, float]]
"""case -> contender -> CPU time of ours / theirs: less is better."""


def costs(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    return {row["name"]: dict(row["cpu cost"]) for row in rows if row["status"] == "ok" and row.get("cpu cost")}


def worse(stored: Costs, found: Costs, slack: float = SLACK) -> dict[str, list[str]]:
    """For each case that both have, what got worse, in words."""
    said: dict[str, list[str]] = {}
    for name in stored.keys() & found.keys():
        for contender in stored[name].keys() & found[name].keys():
            before, after = stored[name][contender], found[name][contender]
            if after > before * (1 + slack):
                words = (
                    f"{after:.3g} of {contender}, was {before:.3g} (+{after / before - 1:.0%}, allowed +{slack:.0%})"
                )
                said.setdefault(name, []).append(words)
    return said


def better_of(first: Costs, second: Costs) -> dict[str, dict[str, float]]:
    """The lower cost of two measurements: noise is no regression."""
    return {
        name: {one: min(cost, second.get(name, {}).get(one, cost)) for one, cost in found.items()}
        for name, found in first.items()
    }


def stored_costs(path: Path = BASELINE) -> Costs:
    return json.loads(path.read_text(encoding="utf-8"))["cost"] if path.exists() else {}


def keep(found: Costs, path: Path = BASELINE) -> None:
    """Store these costs; those of other cases stay."""
    merged = {**stored_costs(path), **found}
    rounded = {
        name: {one: float(f"{cost:.4g}") for one, cost in sorted(merged[name].items())} for name in sorted(merged)
    }
    path.write_text(json.dumps({"schema": 1, "cost": rounded}, indent=1) + "\n", encoding="utf-8")
