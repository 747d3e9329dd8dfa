"""Same or different? What `verification.json` of a run says: histograms of pairs, thresholds and the ROC curve, checked while read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError
from nearkin.report.reading import Fields, read_fields
from nearkin.report.study import Run

Floats = NDArray[np.float64]

FILE = "verification.json"
PARTS = ("training", "test")
KINDS = ("positive", "negative")


@dataclass(frozen=True)
class RuledThreshold:
    """A threshold that a rule chose on the training pairs, and its rates (tpr, tnr) on training and on test pairs."""

    rule: str
    value: float
    training: tuple[float, float]
    test: tuple[float, float]
    precision: float | None


@dataclass(frozen=True)
class Verified:
    """Pairs of one run.

    edges       (B + 1,) of the distance
    shares      part -> kind -> (B,) share of its pairs in each bin
    numbers     part -> kind -> how many pairs
    far, tar    points of the ROC curve of the test pairs, from (0, 0) on
    """

    method: str
    seed: int
    distance: str
    edges: Floats
    shares: dict[str, dict[str, Floats]]
    numbers: dict[str, dict[str, int]]
    thresholds: tuple[RuledThreshold, ...]
    auc: float
    eer: float
    far: Floats
    tar: Floats


def read_verification(run: Run) -> Verified | None:
    """What a run's file says; None where it has none. Errors: InputError that names what is wrong with it."""
    if not (run.folder / FILE).exists():
        return None
    fields = read_fields(run.folder / FILE)
    edges, histograms, roc = row_of(fields, "edges"), fields.inside("histograms"), fields.inside("roc")
    shares = {part: {kind: row_of(histograms.inside(part), kind) for kind in KINDS} for part in PARTS}
    far, tar = row_of(roc, "far"), row_of(roc, "tar")
    if any(len(row) != len(edges) - 1 for kinds in shares.values() for row in kinds.values()) or len(far) != len(tar):
        raise InputError(f"{fields.source}: edges, histograms and curves do not fit together; run the study again")
    numbers = {
        part: {kind: fields.inside(where).take(kind, int) for kind in KINDS}
        for part, where in zip(PARTS, ("chosen_on", "asked_of"))
    }
    rules = fields.inside("thresholds")
    scores = fields.inside("scores")
    return Verified(
        method=run.method,
        seed=run.seed,
        distance=run.distance,
        edges=edges,
        shares=shares,
        numbers=numbers,
        thresholds=tuple(_threshold(rule, rules.inside(rule)) for rule in rules.values),
        auc=number_of(scores, "verification-auc"),
        eer=number_of(scores, "eer"),
        far=far,
        tar=tar,
    )


def _threshold(rule: str, fields: Fields) -> RuledThreshold:
    training, test = (
        (number_of(fields.inside(part), "tpr"), number_of(fields.inside(part), "tnr")) for part in PARTS
    )
    precision = fields.inside("test").values.get("precision")
    return RuledThreshold(rule, number_of(fields, "value"), training, test, None if precision is None else float(precision))


def number_of(fields: Fields, name: str) -> float:
    """A field that is a number."""
    value: Any = fields.take(name, (int, float))
    return float(value)


def row_of(fields: Fields, name: str) -> Floats:
    """A field that is a list of finite numbers. Errors: InputError where it is none."""
    given = fields.take(name, list)
    plain = all(isinstance(value, int | float) for value in given)
    values = np.array(given if plain else [np.nan], dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{fields.source}: {name!r} must be a list of finite numbers")
    return values
