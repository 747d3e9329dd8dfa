"""What the search for settings found: the validation scores of every method's trials, and their spread."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from nearkin.core import InputError
from nearkin.report.reading import read_rows
from nearkin.report.settings import flat

NAME = "validation.csv"
COLUMNS = ("kind", "method", "protocol", "trial", "validation", "settings")


@dataclass(frozen=True)
class Trials:
    """The finished trials of one method under one protocol.

    scores   trial number -> its score on the validation images, None where training broke off; trial 0 has the recipe's settings
    chosen   the trial with the best score, the first of equal ones; None where every trial broke off
    settings what the chosen trial has of the settings in which the trials differ
    """

    method: str
    scores: Mapping[int, float | None]
    chosen: int | None
    settings: Mapping[str, str]

    @property
    def found(self) -> tuple[float, ...]:
        """The scores that there are, in rising order."""
        return tuple(sorted(score for score in self.scores.values() if score is not None))

    @property
    def failed(self) -> int:
        """How many trials broke off."""
        return len(self.scores) - len(self.found)

    @property
    def spread(self) -> tuple[float, float, float] | None:
        """The lowest score, the median and the highest; None without any."""
        return (self.found[0], median(self.found), self.found[-1]) if self.found else None


def read_trials(folder: Path, protocol: str, methods: Sequence[str]) -> tuple[Trials, ...]:
    """The trials of each of the methods that has any, from the study's validation.csv; () where nothing was tuned."""
    path = folder / NAME
    if not path.exists():
        return ()
    rows = read_rows(path)
    header = next(rows, [])
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise InputError(f"{path} has no column {missing[0]!r}; its columns are {header}")
    cells = [dict(zip(header, row)) for row in rows]
    mine = [row for row in cells if row["kind"] == "trial" and row["protocol"] == protocol]
    found = (_trials(path, name, [row for row in mine if row["method"] == name]) for name in methods)
    return tuple(trials for trials in found if trials.scores)


def _trials(path: Path, method: str, rows: Sequence[Mapping[str, str]]) -> Trials:
    try:
        scores = {int(row["trial"]): float(row["validation"]) if row["validation"] else None for row in rows}
        settings = {int(row["trial"]): flat(json.loads(row["settings"])) for row in rows}
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path}, a trial of {method!r}: {error}") from None
    best = max((score for score in scores.values() if score is not None), default=None)
    chosen = next((number for number, score in sorted(scores.items()) if best is not None and score == best), None)
    names = dict.fromkeys(name for values in settings.values() for name in values)
    varied = [name for name in names if len({values.get(name) for values in settings.values()}) > 1]
    values = {} if chosen is None else settings[chosen]
    return Trials(method, dict(sorted(scores.items())), chosen, {name: values.get(name, "the recipe's") for name in varied})
