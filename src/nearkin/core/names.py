"""Names looked up in tables, with the nearest right one in the error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from nearkin.core.errors import InputError

T = TypeVar("T")


def suggestion(name: object, known: Iterable[str]) -> str:
    """`; did you mean 'triplet'?`, or nothing where no known name is near.

    >>> suggestion("tripet", ["triplet", "contrastive"])
    "; did you mean 'triplet'?"
    >>> suggestion("Learning-Rat", ["learning_rate", "steps"])
    "; did you mean 'learning_rate'?"
    """
    spelled = {_plain(each): each for each in known}
    close = difflib.get_close_matches(_plain(str(name)), spelled, n=1)
    return f"; did you mean {spelled[close[0]]!r}?" if close else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def pick(kind: str, table: Mapping[str, T], name: str, *, where: str | None = None) -> T:
    """Return `table[name]`, or raise an InputError with the nearest name and where all of them are listed.

    >>> pick("loss", {"triplet": 3}, "tripet")
    Traceback (most recent call last):
    nearkin.core.errors.InputError: unknown loss 'tripet'; did you mean 'triplet'? (nearkin list losses)
    """
    if isinstance(name, str) and name in table:
        return table[name]
    place = where or f"nearkin list {kind}{'es' if kind.endswith('s') else 's'}"
    near = suggestion(name, table)
    raise InputError(f"unknown {kind} {name!r}{near or '; known: ' + ', '.join(sorted(table))} ({place})")
