"""The interval of one method's score."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from nearkin.core import InputError, choice
from nearkin.statistics.cells import Array, Cells, cells_of, score_rows
from nearkin.statistics.levels import checked_confidence, normal_quantile
from nearkin.statistics.proportions import score_interval
from nearkin.statistics.records import Interval
from nearkin.statistics.twoway import Spread, spread_of
from nearkin.statistics.widths import half_width

OVER = ("classes", "groups", "queries")


def interval(
    values: ArrayLike,
    classes: ArrayLike,
    *,
    confidence: float = 0.95,
    over: str = "classes",
    bounds: tuple[float, float] | None = (0.0, 1.0),
) -> Interval:
    """Mean over queries and its interval over classes and seeds together.

    Shapes:    values (S, Q), a row a seed, or (Q,) for a single run; classes (Q,) integers or names
    Divisor:   all queries count the same, so the mean is (sum over all) / (S Q) and a class weighs by its queries
    Equation:  half width of `widths`; within `bounds` it is bent as Wilson's: both ends x solve
               (x - m)^2 = half^2 / (m (1 - m)) x (1 - x), scores scaled to [0, 1]
    over:      what is a sample: "classes" (new classes, the default), "groups" (then give group ids for `classes`), or
               "queries" (these classes, other images of them; `classes` is not used)
    bounds:    the range of the score; None for an unbounded one
    Edge:      one seed, or a score that is the same for every seed: over the classes alone, said in `note`;
               NaN marks a query without a score
    """
    checked_confidence(confidence)
    rows = score_rows("values", values)
    _check_bounds(rows, bounds)
    spread, queries = spread_of_rows([rows], classes, over)
    estimate = float(spread.mean[0])
    half = float(half_width(spread, 1 - confidence)[0])
    words, note = spoken_for(spread, over)
    low: float | None = estimate - half
    high: float | None = estimate + half
    if spread.seeds == 1 and spread.units == 1:
        low = high = None
    elif bounds is not None:
        low, high = _bent(estimate, half, bounds, queries, confidence)
    error = math.sqrt(float(spread.variance[0]))
    return Interval(estimate, low, high, confidence, error, words, spread.seeds, spread.units, queries, note)


def spread_of_rows(rows: list[Array], classes: ArrayLike, over: str) -> tuple[Spread, int]:
    """Parts of the variance of several score tables over the same queries, and how many queries had a score."""
    choice("over", over, OVER)
    units = np.arange(rows[0].shape[1]) if over == "queries" else classes
    cells = cells_of(rows, units)
    return spread_of(cells), cells.queries


def spread_of_pairs(
    rows: dict[str, Array], pairs: Sequence[tuple[str, str]], classes: ArrayLike, over: str
) -> tuple[Spread, int]:
    """As `spread_of_rows`, for differences of the named tables: class totals once a table, then subtracted."""
    choice("over", over, OVER)
    names = list(rows)
    cells = cells_of(list(rows.values()), np.arange(len(rows[names[0]][0])) if over == "queries" else classes)
    first = [names.index(a) for a, _ in pairs]
    second = [names.index(b) for _, b in pairs]
    apart = Cells(cells.totals[first] - cells.totals[second], cells.sizes)
    return spread_of(apart), cells.queries


def spoken_for(spread: Spread, over: str) -> tuple[str, str]:
    """Over what an interval speaks, and the sentence that a reader needs where that is not classes and seeds together."""
    singular = {"classes": "class", "groups": "group", "queries": "query"}[over]
    if spread.seeds == 1 and spread.units == 1:
        return "nothing", f"one {singular} and one seed: no interval is possible"
    if spread.seeds == 1:
        return over, f"one seed: how much another training would change cannot be estimated; the interval covers {over} only"
    if spread.units == 1:
        return "seeds", f"one {singular}: the interval covers seeds only"
    return f"{over} and seeds", ""


def seed_interval(values: ArrayLike, *, confidence: float = 0.95, bounds: tuple[float, float] | None = None) -> Interval:
    """Mean over seeds with its t interval, for a metric that is one number a run (NMI, AMI, pairwise F1).

    Equation:  mean +- t(S - 1) s / sqrt(S), divisor S - 1 in s; cut at `bounds`
    Edge:      one seed has no interval: low and high are None, and `note` says so
    """
    runs = _one_row("values", values)
    quantile = -float(special.stdtrit(max(len(runs) - 1, 1), (1 - checked_confidence(confidence)) / 2))
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
    _check_bounds(values, bounds)
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
        raise InputError(f"{name} must be one list of finite numbers, got shape {np.shape(values)}, NaN counted: {int(np.isnan(rows).sum())}")
    row: Array = rows[0]
    return row


def _check_bounds(values: Array, bounds: tuple[float, float] | None) -> None:
    if bounds is None:
        return
    low, high = bounds
    if not low < high:
        raise InputError(f"bounds must be (low, high) with low < high, got {bounds!r}")
    if np.nanmin(values) < low or np.nanmax(values) > high:
        raise InputError(
            f"scores run from {np.nanmin(values):g} to {np.nanmax(values):g}, outside bounds {bounds!r}; give the score's own bounds, or None"
        )


def _bent(mean: float, half: float, bounds: tuple[float, float], queries: int, confidence: float) -> tuple[float, float]:
    """Wilson's bend of mean +- half into the bounds; at a bound itself, Wilson's interval over the queries."""
    scale = bounds[1] - bounds[0]
    share = min(1.0, max(0.0, (mean - bounds[0]) / scale))
    room = share * (1 - share)
    if room == 0:
        low, high = score_interval(share, queries, normal_quantile(confidence))
    else:
        low, high = score_interval(share, room / max((half / scale) ** 2, 1e-300), 1.0)
    return bounds[0] + scale * low, bounds[0] + scale * high
