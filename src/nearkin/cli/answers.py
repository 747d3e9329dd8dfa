"""What every command shares: the `--json` option and how an answer is printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

OWN_IMAGES = "nearkin compare --data FOLDER --loss contrastive,triplet --distance euclidean,cosine"
"""The line to type for one's own images."""

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add `--json`: print the answer as JSON on stdout, and nothing else there."""
    return click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")(command)


def print_json(value: object) -> None:
    """Print `value` as JSON for another program to read."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def aligned(rows: Sequence[tuple[str, ...]], *, indent: str = "") -> str:
    """`rows` as text in columns; the last column is as long as it likes.

    >>> print(aligned([("a", "first"), ("long", "second")]))
    a     first
    long  second
    """
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = (
        indent + "".join(cell.ljust(width + 2) for cell, width in zip(row, widths)) + row[-1] for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
