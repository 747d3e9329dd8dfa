"""The interval of one method's score."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from nearkin.core import InputError
from nearkin.statistics.cells import Array, cells_over, check_bounds, score_rows
from nearkin.statistics.levels import checked_confidence, normal_quantile
from nearkin.statistics.proportions import score_interval
from nearkin.statistics.records import Interval
from nearkin.statistics.scope import scope
from nearkin.statistics.special import special
from nearkin.statistics.twoway import spread_of
from nearkin.statistics.widths import half_width


def interval(
    values: ArrayLike,
    classes: ArrayLike,
    *,
    confidence: float = 0.95,
    over: str = "classes",
    bounds: tuple[float, float] | None = (0.0, 1.0),
) -> Interval:
    """Mean over queries and its interval over classes and seeds together.

    Equation:  m = sum of all scores / (S Q),  (x - m)^2 = half^2 x (1 - x) / (m (1 - m)) at both ends x
    Divisor:   every query counts the same, so a class weighs by its queries
    Width:     `half` as in `difference`; bent as Wilson's interval is, with scores scaled from `bounds` to [0, 1]
    Shapes:    values (S, Q), a row a seed, or (Q,) for a single run; classes (Q,) integers or names
    over:      what is a sample: "classes" (new classes, the default), "groups" (give group ids for `classes`), or
               "queries" (these very classes, other images of them; `classes` is not used), or "episodes" (the columns
               are episodes, and others could have been drawn of the same images; `classes` is not used)
    bounds:    the range of the score; None for an unbounded one
    Edge:      one seed: over the classes alone, said in `note`. Every query at a bound: Wilson's over the queries.
               NaN marks a query without a score
    """
    checked_confidence(confidence)
    rows = score_rows("values", values)
    check_bounds(rows, bounds)
    cells = cells_over([rows], classes, over)
    spread = spread_of(cells).at(0)
    estimate, half = float(spread.mean), float(half_width(spread, 1 - confidence))
    words, note = scope(spread, over)
    low: float | None = None
    high: float | None = None
    if spread.seeds == 1 and spread.units == 1:
        pass
    elif bounds is not None:
        low, high = _bent(estimate, half, bounds, cells.queries, confidence)
    elif math.isfinite(half):
        low, high = estimate - half, estimate + half
    error = None if low is None else math.sqrt(float(spread.variance))
    return Interval(estimate, low, high, confidence, error, words, spread.seeds, spread.units, cells.queries, note)


def seed_interval(values: ArrayLike, *, confidence: float = 0.95, bounds: tuple[float, float] | None = None) -> Interval:
    """Mean over seeds with its t interval, for a metric that is one number a run (NMI, AMI, pairwise F1).

    Equation:  mean +- t(S - 1) s / sqrt(S), divisor S - 1 in s; cut at `bounds`
    Edge:      one seed has no interval: low and high are None, and `note` says so
    """
    runs = _one_row("values", values)
    quantile = -float(special().stdtrit(max(len(runs) - 1, 1), (1 - checked_confidence(confidence)) / 2))
    return _of_independent(runs, quantile, confidence, "seeds", bounds)


def episode_interval(accuracies: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Mean over episodes with its normal interval [EVA-7].

    Equation:  mean +- z s / sqrt(n), divisor n - 1 in s, z the normal quantile (1.95996... at 0.95)
    Edge:      one episode has no interval; the episodes of one trained network say nothing about other seeds

    >>> answer = episode_interval([0.62, 0.70, 0.58, 0.66, 0.74, 0.60])
    >>> round(answer.high - answer.estimate, 4)
    0.0493
    """
    return _of_independent(_one_row("accuracies", accuracies), normal_quantile(confidence), confidence, "episodes", None)


def _of_independent(
    values: Array, quantile: float, confidence: float, over: str, bounds: tuple[float, float] | None
) -> Interval:
    check_bounds(values, bounds)
    count, mean = len(values), float(values.mean())
    seeds = count if over == "seeds" else 1
    if count == 1:
        return Interval(mean, None, None, confidence, None, over, seeds, 1, 1, f"one of the {over}: no interval is possible")
    error = float(values.std(ddof=1)) / math.sqrt(count)
    low, high = mean - quantile * error, mean + quantile * error
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return Interval(mean, low, high, confidence, error, over, seeds, count, count)


def _one_row(name: str, values: ArrayLike) -> Array:
    rows = score_rows(name, values)
    if rows.shape[0] != 1 or np.isnan(rows).any():
        raise InputError(f"{name} must be one list of numbers without NaN, got shape {np.shape(values)}")
    row: Array = rows[0]
    return row


def _bent(mean: float, half: float, bounds: tuple[float, float], queries: int, confidence: float) -> tuple[float, float]:
    """Wilson's bend of mean +- half into the bounds; at a bound itself, Wilson's interval over the queries."""
    scale = bounds[1] - bounds[0]
    share = min(1.0, max(0.0, (mean - bounds[0]) / scale))
    room = share * (1 - share)
    if room == 0:
        low, high = score_interval(share, queries, normal_quantile(confidence))
    elif half == 0 or math.isinf(half):
        low, high = (share, share) if half == 0 else (0.0, 1.0)
    else:
        low, high = score_interval(share, room / (half / scale) ** 2, 1.0)
    return bounds[0] + scale * low, bounds[0] + scale * high
