"""What equal distances leave open: bounds of the retrieval scores over every order of ties, and when to warn [EVA-1]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nearkin.evaluation.averages import Average
from nearkin.evaluation.sweep import Swept, score_name

TIED_SHARE = 0.01
"""Share of queries with a tie at the cut above which a warning is due."""


@dataclass(frozen=True)
class Bounds:
    """The smallest and the largest value that a number takes."""

    low: float
    high: float


@dataclass(frozen=True)
class Ties:
    """What equal distances leave open.

    `queries` of them have a score that depends on the order of equal distances; for `at_cut` of them it is Recall@1 or
    R-precision, that is, the tie lies at a cut. `bounds` holds each retrieval score with the relevant references last
    (low) and first (high) among equal distances; the two are equal without ties.
    """

    queries: int
    at_cut: int
    bounds: dict[str, Bounds]


def find_ties(swept: Swept, average: Average) -> Ties:
    """Count the queries that ties leave open among those that `average` counts, and average their bounds."""
    unsettled = {name: swept.high[name] > swept.low[name] for name in swept.scores}
    some = np.logical_or.reduce(list(unsettled.values()))[average.counted]
    cut = (unsettled["hit@1"] | unsettled["r-precision"])[average.counted]
    bounds = {score_name(name): Bounds(average(swept.low[name]), average(swept.high[name])) for name in swept.scores}
    return Ties(int(some.sum()), int(cut.sum()), bounds)


def note_of(ties: Ties, counted: int) -> str:
    """One sentence about the ties of `counted` queries."""
    first, mean = ties.bounds["recall@1"], ties.bounds["map@r"]
    return (
        f"equal distances leave the order of {ties.queries} of {counted} queries open (at the cut for {ties.at_cut}): "
        f"recall@1 lies between {first.low:.4f} and {first.high:.4f}, map@r between {mean.low:.4f} and {mean.high:.4f}; "
        "the scores take the lowest index first"
    )


def warning_of(ties: Ties, counted: int) -> str | None:
    """What to warn of, where so many queries have a tie at the cut that the order of the rows makes the scores."""
    if not ties.at_cut > TIED_SHARE * counted:
        return None
    return (
        f"{ties.at_cut} of {counted} queries have equal distances at the cut, so the order of the rows decides their "
        "scores; has the network collapsed to a point, or are the embeddings a few bits? Read Evaluation.ties"
    )
