"""`validation.csv`: what was chosen on validation images, and by which score. Test labels have no part in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from nearkin.comparison.design import canonical
from nearkin.comparison.runs import Run
from nearkin.core import write_atomically

HEADER = ("kind", "method", "protocol", "seed", "trial", "best_step", "validation", "settings")


def write_validation_table(path: Path, trials: Sequence[Run], runs: Sequence[Run]) -> None:
    """Write a row for every finished trial and every run that was trained or fitted: its best step, its score there, its settings."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for kind, run in [*(("trial", run) for run in trials), *(("run", run) for run in runs)]:
        record = run.record()
        if record is None or run.method.kind not in ("trained", "fitted"):
            continue
        score = record.get("best_validation")
        cells = ("" if run.trial is None else run.trial, record.get("best_step", ""), "" if score is None else repr(score))
        writer.writerow([kind, run.method.name, run.protocol, run.seed, *cells, canonical(run.method.settings())])
    write_atomically(path, text.getvalue())
