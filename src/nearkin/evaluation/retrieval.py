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
from nearkin.evaluation.neighbours import Window, sorted_rows

Columns = dict[str, Array]


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
        worst, best = _bounds(window, tied, query_codes, reference_codes, depth)
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


def _bounds(window: Window, tied: Array, query_codes: Array, reference_codes: Array, depth: int) -> tuple[Array, Array]:
    """What is relevant along the first `depth` ranks of the rows `tied`, in the worst and in the best order of ties."""
    keys = window.keys[torch.from_numpy(tied).to(window.keys.device)]
    classes = torch.from_numpy(reference_codes).to(keys.device)
    query = torch.from_numpy(query_codes[tied]).to(keys.device)[:, None]
    level = keys >> window.bits
    kin = (classes[keys & ((1 << window.bits) - 1)] == query) & (level != window.excluded_level)
    level <<= 1  # one bit below the distance says who comes first among equals
    return sorted_rows(level | kin, depth) % 2 == 1, sorted_rows(level | ~kin, depth) % 2 == 0
