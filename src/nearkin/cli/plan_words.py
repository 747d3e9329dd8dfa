"""What `--plan` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nearkin.cli.answers import aligned
from nearkin.cli.live import duration

if TYPE_CHECKING:
    from nearkin.comparison.forecast import Forecast


def plan_in_words(found: Forecast, jobs: int) -> str:
    """The forecast as text; nothing was trained."""
    groups = "no groups" if found.groups is None else f"{found.groups:,} groups"
    trials = f", after {found.trials} trials of settings on validation images" if found.trials else ""
    per_step = [(name, f"{1000 * seconds:.0f} ms a step") for name, seconds in found.step.items()]
    parts = [
        f"{found.name}: {found.images}, {found.classes:,} classes, {groups}",
        *(f"! {note}" for note in found.notes),
        "",
        "Protocols that these images allow",
        aligned([(name, "possible" if reason is None else f"not possible: {reason}") for name, reason in found.protocols.items()], indent="  "),
        "",
        "What would be done",
        *_splits(found),
        f"  {len(found.methods)} rows ({'; '.join(found.methods)})",
        f"  {found.runs} runs with seeds {', '.join(map(str, found.seeds))}{trials}",
        aligned(per_step, indent="    "),
        f"  about {duration(found.seconds)} of work{f', shared by {jobs} processes' if jobs > 1 else ''}",
        "",
        "The smallest difference between two methods that such a study would claim in 8 of 10 cases, if the spread is usual",
        aligned([(name, _points(value)) for name, value in found.smallest.items()], indent="  "),
        "",
        "Nothing was trained. The same line without --plan begins.",
    ]
    return "\n".join(parts)


def _splits(found: Forecast) -> list[str]:
    lines = []
    for protocol, parts in found.chosen.items():
        sizes = (f"{name} {part['images']:,} images of {part['classes']:,} classes" for name, part in parts.items())
        lines.append(f"  {protocol}: {'; '.join(sizes)}")
    return lines


def _points(value: float | None) -> str:
    return "none: with one seed nothing can be claimed" if value is None else f"{value:.3f}"
