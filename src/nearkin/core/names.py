"""Names looked up in tables, with the nearest right one in the error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from nearkin.core.checks import InputError

T = TypeVar("T")


def suggestion(name: object, known: Iterable[str]) -> str:
    """`; did you mean 'triplet'?`, or nothing where no known name is near.

    >>> suggestion("tripet", ["triplet", "contrastive"])
    "; did you mean 'triplet'?"
    """
    close = difflib.get_close_matches(str(name).lower().replace("_", "-"), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def pick(kind: str, table: Mapping[str, T], name: str, *, where: str | None = None) -> T:
    """Return `table[name]`, or raise an InputError with the nearest name and where all of them are listed."""
    if isinstance(name, str) and name in table:
        return table[name]
    place = where or f"nearkin list {kind}s"
    near = suggestion(name, table)
    raise InputError(f"unknown {kind} {name!r}{near or '; known: ' + ', '.join(sorted(table))} ({place})")
