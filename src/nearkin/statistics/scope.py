"""Over what an interval speaks, in words, and the sentence that must stand beside it."""

from __future__ import annotations

from nearkin.statistics.twoway import Spread

_SINGULAR = {"classes": "class", "groups": "group", "queries": "query", "episodes": "episode", "runs": "run"}


def scope(spread: Spread, over: str) -> tuple[str, str]:
    """("classes and seeds", "") where both are samples; otherwise what is left, with a note where a reader could be misled.

    `over` is "classes", "groups", "queries", "episodes", or "runs" for metrics that are one number a run.
    """
    one = _SINGULAR[over]
    if spread.seeds == 1 and spread.units == 1:
        return "nothing", "one seed: no interval is possible" if over == "runs" else f"one {one} and one seed: no interval is possible"
    if spread.seeds == 1:
        return over, f"one seed: how much another training would change cannot be estimated; the interval covers {over} only"
    if over == "runs":
        return "seeds", ""
    if spread.units == 1:
        return "seeds", f"one {one}: the interval covers seeds only"
    if spread.still:
        return over, ""
    return f"{over} and seeds", ""
