"""Known or unknown? What `unknowns.json` of a run says: histograms of distances and curves over thresholds, checked while read."""

from __future__ import annotations

from dataclasses import dataclass

from nearkin.core import InputError
from nearkin.report.reading import read_fields
from nearkin.report.study import Run
from nearkin.report.verification import Floats, number_of, row_of

FILE = "unknowns.json"
KINDS = ("known", "unknown")
CURVES = ("fpr", "tpr", "ccr")
SCORES = ("auroc", "fpr@95tpr", "oscr")


@dataclass(frozen=True)
class Unknowns:
    """Asking images of one run, of classes that it knows and of classes that nobody enrolled.

    edges       (B + 1,) of the distance to the nearest known image
    shares      kind -> (B,) share of its images in each bin
    numbers     kind -> how many images
    curves      points over falling thresholds: fpr and tpr, the accepted shares of unknown and known images; ccr, the share of
                known ones that are accepted and answered rightly
    scores      auroc, fpr@95tpr, oscr
    """

    method: str
    seed: int
    distance: str
    edges: Floats
    shares: dict[str, Floats]
    numbers: dict[str, int]
    curves: dict[str, Floats]
    scores: dict[str, float]


def read_unknowns(run: Run) -> Unknowns | None:
    """What a run's file says; None where it has none. Errors: InputError that names what is wrong with it."""
    if not (run.folder / FILE).exists():
        return None
    fields = read_fields(run.folder / FILE)
    edges = row_of(fields, "edges")
    shares = {kind: row_of(fields.inside("histograms"), kind) for kind in KINDS}
    curves = {name: row_of(fields.inside("curve"), name) for name in CURVES}
    if any(len(row) != len(edges) - 1 for row in shares.values()) or len({len(row) for row in curves.values()}) != 1:
        raise InputError(f"{fields.source}: edges, histograms and curves do not fit together; run the study again")
    return Unknowns(
        method=run.method,
        seed=run.seed,
        distance=run.distance,
        edges=edges,
        shares=shares,
        numbers={kind: fields.take(kind, int) for kind in KINDS},
        curves=curves,
        scores={name: number_of(fields.inside("scores"), name) for name in SCORES},
    )
