"""What a run did, as a value: its curves, its best step, what was noticed."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nearkin.core import write_atomically

COLUMNS = ("step", "epoch", "loss", "active", "positive", "negative", "validation", "seconds")
WHOLE = ("step", "epoch")

Column = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class History:
    """The record of a finished run.

    curves:          columns of equal length, one entry a step: step, epoch, loss, active (share of terms above 0),
                     positive and negative (mean distances of pairs), validation (NaN between validations), seconds
                     (since the start, pauses left out). What a loss does not have is NaN. A loss may add columns:
                     those of generated negatives are `nearkin.generation.COLUMNS`
    best_step:       the step whose weights the network now has: the best validation, else the last step
    best_validation: its value, or None without a validation
    stopped:         "budget", or "patience" when the plan's patience ended the run
    notes:           what was noticed, in words, in order of time
    seconds:         time spent training and validating, pauses left out
    unfrozen_at:     the step after which the backbone was trained too, or None: with one stage, or where the first one
                     never ended; `notes` say why
    shares:          what the steps' time was spent on: "input", "network", "loss", "other" (see `Stopwatch`), together
                     1; empty after a single step
    """

    curves: Mapping[str, Column]
    best_step: int
    best_validation: float | None
    stopped: str
    notes: tuple[str, ...]
    seconds: float
    shares: Mapping[str, float] = field(default_factory=dict)
    unfrozen_at: int | None = None

    @property
    def steps(self) -> int:
        """Steps taken."""
        return len(self.curves["step"])


def as_columns(rows: Mapping[str, list[float]]) -> dict[str, Column]:
    """Lists of numbers as arrays: int64 for step and epoch, float64 for the rest; added columns after the usual ones."""
    names = (*COLUMNS, *(name for name in rows if name not in COLUMNS))
    return {name: np.asarray(rows[name], np.int64 if name in WHOLE else np.float64) for name in names}


def write_curves(path: Path, curves: Mapping[str, Column]) -> bytes:
    """Write the curves as CSV, atomically, and return the bytes; numbers are exact, NaN is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [*(name for name in curves if name != COLUMNS[-1]), COLUMNS[-1]]  # seconds last
    writer.writerow(names)
    for row in zip(*(curves[name].tolist() for name in names), strict=True):
        writer.writerow(["" if isinstance(value, float) and math.isnan(value) else repr(value) for value in row])
    content = text.getvalue().encode()
    write_atomically(path, content)
    return content


def read_curves(content: bytes) -> dict[str, Column]:
    """The curves that `write_curves` wrote."""
    header, *rows = csv.reader(io.StringIO(content.decode()))
    if not set(COLUMNS) <= set(header):
        raise ValueError(f"columns {header} instead of {list(COLUMNS)}")
    columns = {name: [float(row[i] or "nan") for row in rows] for i, name in enumerate(header)}
    return as_columns(columns)
