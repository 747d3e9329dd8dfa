"""Learning curves: what happened while a method trained, a line a seed, thinned to what a page can show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError
from nearkin.report.reading import read_rows
from nearkin.report.study import Run

SERIES = ("loss", "active", "validation")
SHOWN = 120


@dataclass(frozen=True)
class Curve:
    """One run of `steps` steps: for each series where and what, at most 120 values (means of neighbouring steps)."""

    method: str
    seed: int
    steps: int
    best_step: int
    series: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]


def read_curve(run: Run) -> Curve | None:
    """A run's curves.csv; None where the run was not trained and has none."""
    path = run.folder / "curves.csv"
    if not path.exists():
        return None
    rows = read_rows(path)
    header = next(rows, [])
    missing = [name for name in ("step", *SERIES) if name not in header]
    if missing:
        raise InputError(f"{path} has no column {missing[0]!r}; its columns are {header}")
    try:
        table = np.array([[float(cell) if cell else np.nan for cell in row] for row in rows], dtype=np.float64)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    table = table.reshape(-1, len(header))
    steps = table[:, header.index("step")]
    series = {name: thinned(steps, table[:, header.index(name)]) for name in SERIES}
    return Curve(run.method, run.seed, int(steps.max(initial=0)), run.best_step, series)


def thinned(
    steps: NDArray[np.float64], values: NDArray[np.float64], limit: int = SHOWN
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measured points only; more than `limit` are averaged in `limit` groups of neighbours."""
    measured = np.isfinite(values)
    steps, values = steps[measured], values[measured]
    if len(steps) <= limit:
        return steps, values
    groups = np.array_split(np.arange(len(steps)), limit)
    return np.array([steps[g].mean() for g in groups]), np.array([values[g].mean() for g in groups])
