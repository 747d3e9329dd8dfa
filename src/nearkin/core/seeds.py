"""One seed makes a run: every random stream is derived from it by name, and none is global."""

from __future__ import annotations

from nearkin.core.files import content_hash


def derived_seed(seed: int, *names: str | int) -> int:
    """A seed of 63 bits for the stream called `names` of the run with `seed`; other names give unrelated streams.

    >>> derived_seed(0, "batches") == derived_seed(0, "batches")
    True
    >>> derived_seed(0, "batches", 1) == derived_seed(0, "batches", 11)
    False
    """
    return int(content_hash(str(int(seed)), *map(str, names))[:16], 16) >> 1
