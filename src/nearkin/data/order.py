"""Natural order of names: s2 before s10, the same on every file system."""

from __future__ import annotations

import re
from functools import lru_cache

_DIGITS = re.compile(r"([0-9]+)")


@lru_cache(maxsize=4096)
def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """A sorting key in which runs of digits count as numbers; names that differ in any character differ in the key.

    >>> sorted(["s10", "s2", "S1", "007", "7"], key=natural_key)
    ['007', '7', 'S1', 's2', 's10']
    """
    parts: list[str | int] = []
    for position, part in enumerate(_DIGITS.split(name.casefold())):
        if position % 2:
            significant = part.lstrip("0")
            parts += [len(significant), significant]
        else:
            parts.append(part)
    return tuple(parts), name
