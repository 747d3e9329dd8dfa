"""The one pass over the queries: per-query retrieval scores, their bounds under ties, and the nearest references."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from nearkin.evaluation.exclusions import Exclusions
from nearkin.evaluation.inputs import Array
from nearkin.evaluation.neighbours import Progress, Window, windows
from nearkin.evaluation.retrieval import Columns, block_scores
from nearkin.evaluation.space import Space
from nearkin.evaluation.task import Task


@dataclass(frozen=True)
class Nearest:
    """The nearest references of every query: rows (Q, k), -1 behind the last, and distances (Q, k), NaN there."""

    rows: Array
    distances: Array


@dataclass(frozen=True)
class Swept:
    """Per-query retrieval scores in the stated order of ties, their low and high bounds, and the nearest references."""

    scores: Columns
    low: Columns
    high: Columns
    nearest: Nearest


def sweep(
    task: Task,
    *,
    at: tuple[int, ...],
    neighbours: int,
    block: int | None = None,
    on_progress: Progress | None = None,
) -> Swept:
    """Score every query, and keep its nearest references if `neighbours` is above 0."""
    divisor = np.maximum(task.relevant, 1)  # a lone query scores 0 here; what that means is for the caller to say
    deepest = np.maximum(divisor + 1, max(neighbours, max(at) + 1))
    tables: tuple[Columns, Columns, Columns] = ({}, {}, {})
    found = _empty(len(divisor), neighbours)
    for window in windows(task.space, task.exclusions, deepest, block, on_progress):
        parts = block_scores(
            window, task.query_codes[window.queries], task.reference_codes, divisor[window.queries], at
        )
        for table, part in zip(tables, parts):
            for name, values in part.items():
                table.setdefault(name, np.empty(len(divisor)))[window.queries] = values
        _record(found, task.space, window)
    return Swept(*tables, found)


def score_name(column: str) -> str:
    """The name of a column's mean: recall@K of hit@K, map@r of ap@r."""
    return "map@r" if column == "ap@r" else column.replace("hit@", "recall@")


def nearest_references(
    space: Space, neighbours: int, block: int | None = None, exclusions: Exclusions | None = None
) -> Nearest:
    """The nearest references of every query, none of them excluded unless `exclusions` says so."""
    found = _empty(len(space.queries), neighbours)
    for window in windows(space, exclusions or Exclusions(), np.full(len(space.queries), neighbours), block):
        _record(found, space, window)
    return found


def _empty(queries: int, neighbours: int) -> Nearest:
    return Nearest(np.full((queries, neighbours), -1), np.full((queries, neighbours), np.nan))


def _record(found: Nearest, space: Space, window: Window) -> None:
    width = min(found.rows.shape[1], window.order.shape[1])
    if not width:
        return
    columns, present = window.columns[:, :width], window.present[:, :width]
    place = (
        torch.from_numpy(window.queries).to(space.device),
        torch.from_numpy(np.where(present, columns, 0)).to(space.device),
    )
    distances = space.linked(*place, space.squared(*place)).cpu().numpy()
    found.rows[window.queries, :width] = np.where(present, columns, -1)
    found.distances[window.queries, :width] = np.where(present, distances, np.nan)
