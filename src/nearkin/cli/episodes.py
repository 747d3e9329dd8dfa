"""`nearkin evaluate --episodes 20x1`: N-way K-shot episodes of embeddings from files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nearkin.core import InputError

if TYPE_CHECKING:
    from nearkin.distances import Distance
    from nearkin.evaluation import Episodes

Command = TypeVar("Command", bound=Callable[..., Any])


class Size(click.ParamType[tuple[int, int]]):
    """"20x1": 20 classes, one image of each to learn from."""

    name = "NxK"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(\d+)x(\d+)", value)
        if found is None or int(found[1]) < 2 or int(found[2]) < 1:
            self.fail(f"{value!r} is no size of episodes; write 20x1 for 20 classes with 1 image of each", parameter, context)
        return int(found[1]), int(found[2])


def episode_options(command: Command) -> Command:
    """Add `--episodes`, `--episode-queries` and `--within`."""
    for option in (
        click.option("--within", metavar="FILE|family", help="The classes of an episode are of one group: a text file has each row's, or it is the label's family, what stands before its last slash."),
        click.option("--episode-queries", type=click.IntRange(min=1), default=5, show_default=True, help="Images of each class that an episode asks for."),
        click.option("--episodes", "sizes", multiple=True, type=Size(), help="1,000 episodes of N classes with K images each, e.g. 20x1; repeatable."),
    ):
        command = option(command)
    return command


def episodes_of(
    rows: Any,
    codes: Sequence[int],
    labels: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    *,
    queries: int,
    within: str | None,
    distance: Distance | str,
    seed: int,
) -> list[Episodes]:
    """Every size that was asked for, by class means. Errors: InputError for groups without rows, or without sizes."""
    from nearkin.data.families import families_of
    from nearkin.evaluation import episodes

    if within is not None and not sizes:
        raise InputError(f"--within {within} groups the classes of episodes; say which episodes: --episodes 20x1")
    groups = None if within is None else families_of(labels) if within == "family" else _groups(Path(within), len(codes))
    return [
        episodes(rows, codes, ways=ways, shots=shots, queries=queries, within=groups, distance=distance, seed=seed)
        for ways, shots in sizes
    ]


def episode_section(found: Episodes) -> dict[str, Any]:
    """What `--json` says of one size."""
    _, ways, shots = found.draw.support.shape
    return {
        "ways": ways,
        "shots": shots,
        "queries": found.draw.queries.shape[2],
        "episodes": len(found.draw),
        "within": found.draw.groups is not None,
        "accuracy": found.accuracy,
        "low": found.interval.low,
        "high": found.interval.high,
        "notes": list(found.notes),
    }


def episode_line(found: Episodes) -> tuple[str, str]:
    """Its name and its score with the interval."""
    _, ways, shots = found.draw.support.shape
    where = "" if found.draw.groups is None else ", within a group"
    return f"{ways}-way {shots}-shot{where}", f"{found.accuracy:.4f} [{found.interval.low:.4f}, {found.interval.high:.4f}]"


def _groups(path: Path, rows: int) -> list[str]:
    try:
        names = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the groups {path} cannot be read: {error}") from None
    if len(names) != rows:
        raise InputError(f"{path} has {len(names)} lines for {rows} rows; each row needs its group")
    return names
