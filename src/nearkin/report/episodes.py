"""Episodes as a table: a line a method, and one more where classes meet within a group; a column a size."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nearkin.report.summary import ProtocolSummary
from nearkin.statistics import Interval

NAME = re.compile(r"episodes@(\d+)x(\d+)(?:-within-(\w+))?")

ABOUT = (
    "In an episode so many classes are drawn (ways), of each so many images to learn it from (shots) and others to name, by the "
    "nearest class mean: the share that is named rightly. Every method meets the same episodes."
)


@dataclass(frozen=True)
class Line:
    """A method's scores in the order of the table's sizes, None where there is none; `where` its classes are drawn."""

    method: str
    where: str
    scores: tuple[Interval | None, ...]


@dataclass(frozen=True)
class EpisodeTable:
    """`sizes` are (ways, shots)."""

    sizes: tuple[tuple[int, int], ...]
    lines: tuple[Line, ...]


def episode_table(protocol: ProtocolSummary) -> EpisodeTable | None:
    """The table of a protocol; None where its study has no episodes."""
    names = {name: found for name in protocol.scores if (found := NAME.fullmatch(name))}
    if not names:
        return None
    sizes = tuple(
        sorted({(int(found[1]), int(found[2])) for found in names.values()}, key=lambda size: (-size[0], size[1]))
    )
    places = list(dict.fromkeys(found[3] for found in names.values()))
    lines = [
        Line(row.method.name, where(within), tuple(row.scores.get(score_of(*size, within)) for size in sizes))
        for within in sorted(places, key=lambda within: (within is not None, within))
        for row in protocol.rows
    ]
    return EpisodeTable(sizes, tuple(lines))


def score_of(ways: int, shots: int, within: str | None) -> str:
    """The score of a size."""
    return f"episodes@{ways}x{shots}" + (f"-within-{within}" if within else "")


def where(within: str | None) -> str:
    """Which classes meet in an episode, in words."""
    return f"within a {within}" if within else "all classes"
