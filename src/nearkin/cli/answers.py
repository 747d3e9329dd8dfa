"""What every command shares: the `--json` option and how an answer is printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from unicodedata import category, east_asian_width

import click

OWN_IMAGES = "nearkin compare --data FOLDER --loss contrastive,triplet --distance euclidean,cosine"
"""The line to type for one's own images."""

WIDEST = 80
"""Columns of a cell that others are lined up with."""

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add `--json`: print the answer as JSON on stdout, and nothing else there."""
    return click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")(command)


def print_json(value: object) -> None:
    """Print `value` as JSON for another program to read."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def aligned(rows: Sequence[tuple[str, ...]], *, indent: str = "") -> str:
    """`rows` as text in columns; the last column is as long as it likes, and a longer cell than `WIDEST` moves only its own
    line.

    >>> print(aligned([("a", "first"), ("long", "second")]))
    a     first
    long  second
    """
    if not rows:
        return ""
    widths = [min(WIDEST, max(columns_of(row[place]) for row in rows)) for place in range(len(rows[0]) - 1)]
    lines = (
        indent + "".join(cell + " " * (max(0, width - columns_of(cell)) + 2) for cell, width in zip(row, widths)) + row[-1]
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def columns_of(text: str) -> int:
    """How many columns of a terminal a text takes: two for a Chinese character or a picture, none for an accent.

    >>> columns_of("cat"), columns_of("\u732b"), columns_of("e\u0301")
    (3, 2, 1)
    """
    if text.isascii():
        return len(text)
    unseen = ("Mn", "Me", "Cf")
    return sum(1 + (east_asian_width(each) in "WF") for each in text if category(each) not in unseen)
