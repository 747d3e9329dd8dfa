"""Recall@K, R-precision and MAP@R of a block of queries, and their bounds where distances tie [EVA-1].

For a query with R relevant references (its class, without itself) let rel_t be 1 where rank t has its class, else 0:

    hit@K         = 1 if rel_1 + ... + rel_K > 0, else 0
    R-precision   = (1/R) sum_{t <= R} rel_t
    AP@R          = (1/R) sum_{t <= R} rel_t Prec(t),     Prec(t) = (1/t) sum_{s <= t} rel_s

Recall@K and MAP@R are the means of hit@K and AP@R over queries; precision@1 is Recall@1. The divisor is always R, never
the number of hits. Ranks are those of (distance, lowest index). The bounds take the relevant references first (high) or
last (low) among equal distances.
"""

from __future__ import annotations

import numpy as np
import torch

from nearkin.evaluation.inputs import Array
from nearkin.evaluation.neighbours import Window

Columns = dict[str, Array]

PART = 1 << 20
"""Keys looked through at a time."""


def query_scores(relevant: Array, divisor: Array, at: tuple[int, ...]) -> Columns:
    """Scores of queries whose references, in order, are `relevant` or not.

    Shapes:  relevant (b, T) bool with T >= min(R, references) and T >= max(at); divisor (b,) the R of each query, > 0
    """
    rank = np.arange(1, relevant.shape[1] + 1)
    counted = relevant & (rank <= divisor[:, None])
    precision = np.cumsum(relevant, axis=1) / rank
    scores: Columns = {f"hit@{k}": np.asarray(relevant[:, :k].any(1), dtype=np.float64) for k in at}
    scores["r-precision"] = counted.sum(1) / divisor
    scores["ap@r"] = np.where(counted, precision, 0.0).sum(1) / divisor
    return scores


def block_scores(
    window: Window, query_codes: Array, reference_codes: Array, divisor: Array, at: tuple[int, ...]
) -> tuple[Columns, Columns, Columns]:
    """Scores of a block in the stated order of ties, and their low and high bounds over all orders.

    Shapes:  query_codes (b,), reference_codes (R,) class codes; divisor (b,), all > 0. The window must hold one
             reference more than the largest of divisor and `at`, or all references
    """
    depth = min(len(reference_codes), max(int(divisor.max()), max(at)))
    relevant = (reference_codes[window.columns] == query_codes[:, None]) & window.present
    scores = query_scores(relevant[:, :depth], divisor, at)
    low, high = ({name: values.copy() for name, values in scores.items()} for _ in range(2))
    tied = np.flatnonzero(_tie_may_matter(window.levels, relevant, depth))
    if len(tied):
        worst, best = _bounds(window, tied, relevant[:, :depth], query_codes, reference_codes)
        for bound, order in ((low, worst), (high, best)):
            for name, values in query_scores(order, divisor[tied], at).items():
                bound[name][tied] = values
    return scores, low, high


def _tie_may_matter(level: Array, relevant: Array, depth: int) -> Array:
    """(b,): True where equal distances mix relevant with other references, or may go on to do so behind the depth."""
    level, relevant = level[:, : depth + 1], relevant[:, : depth + 1]
    equal = level[:, 1:] == level[:, :-1]
    mixed: Array = (equal & (relevant[:, 1:] != relevant[:, :-1])).any(1) | equal[:, depth - 1 :].any(1)
    return mixed


def _bounds(
    window: Window, tied: Array, relevant: Array, query_codes: Array, reference_codes: Array
) -> tuple[Array, Array]:
    """What is relevant along the ranks of `relevant`, for the rows `tied`, in the worst and in the best order of ties.

    Whoever stands at one of these ranks or ties with who does is known from the window, but for those that tie at the
    last rank: of these it takes the number.
    """
    level, kin = window.levels[tied, : relevant.shape[1]], relevant[tied].astype(np.int64)
    worst = np.sort(level << 1 | kin, axis=1) % 2 == 1  # one bit below the distance says who comes first among equals
    best = np.sort(level << 1 | 1 - kin, axis=1) % 2 == 0
    at_last = level == level[:, -1:]
    number, of_kin = _count_last(window, tied, level[:, -1], query_codes[tied], reference_codes)
    place = at_last.cumsum(1)  # from 1
    worst = np.where(at_last, place > (number - of_kin)[:, None], worst)
    return worst, np.where(at_last, place <= of_kin[:, None], best)


def _count_last(
    window: Window, tied: Array, last: Array, query_codes: Array, reference_codes: Array
) -> tuple[Array, Array]:
    """For each of the rows `tied`, how many references lie at its level `last`, and how many of these are relevant."""
    number, of_kin = np.zeros((2, len(tied)), dtype=np.int64)
    size = max(1, PART // window.keys.shape[1])
    for start in range(0, len(tied), size):
        part = slice(start, start + size)
        rows, level = (torch.from_numpy(each[part]).to(window.keys.device) for each in (tied, last))
        keys = window.keys[rows]
        row, column = (keys >> window.bits == level[:, None]).nonzero(as_tuple=True)
        names = (keys[row, column] & ((1 << window.bits) - 1)).cpu().numpy()
        line = row.cpu().numpy() + start
        is_kin = (reference_codes[names] == query_codes[line]) & (last[line] != window.excluded_level)
        number += np.bincount(line, minlength=len(tied))
        of_kin += np.bincount(line[is_kin], minlength=len(tied))
    return number, of_kin
