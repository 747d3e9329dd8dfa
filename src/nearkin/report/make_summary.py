"""From a study folder to facts: the one place where a report computes.

Everything follows from the folder, so the same folder gives the same summary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, choice, derived_seed
from nearkin.report.arrays import read_thumbnails
from nearkin.report.class_distances import class_distances
from nearkin.report.confusion import confusion
from nearkin.report.curves import read_curve
from nearkin.report.drawn import draw, points_of
from nearkin.report.figures import read_figures
from nearkin.report.mistakes import mistakes, pictured
from nearkin.report.planar import PROJECTIONS
from nearkin.report.records import Records, read_records
from nearkin.report.sampling import stratified_order
from nearkin.report.scores import best_and_level, detectable_range, differences_of_pairs, result_rows, score_names
from nearkin.report.settings import shared_and_own
from nearkin.report.study import Run, Split, Study, read_study
from nearkin.report.summary import ProtocolSummary, Summary
from nearkin.report.trials import read_trials
from nearkin.report.unknowns import read_unknowns
from nearkin.report.verification import read_verification

POINTS = 5_000  # in one map
POINTS_OF_ALL_MAPS = 100_000
SPRITE_BYTES = 3_500_000  # of all protocols; base64 makes a third more of them
MISTAKE_BYTES = 1_000_000


def summarise(folder: Path | str, *, maps: str = "pca") -> Summary:
    """Read a study folder and work out everything that its report says.

    maps:      "pca" (default: at once, without further packages) or "tsne" (extra `maps`); an embedding of two outputs
               is always shown as it is
    Errors:    InputError for a folder that is missing, damaged, contradicts itself or holds no finished run
    Size:      a map shows at most 5,000 test images, all maps together 100,000; thumbnails take 4.5 MB at most
    """
    choice("maps", maps, tuple(PROJECTIONS))
    study = read_study(folder)
    splits = [split for split in study.splits if any(run.protocol == split.protocol for run in study.runs)]
    if not splits:
        raise InputError(f"no finished run in {str(folder)!r} belongs to one of its protocols")
    count = len(splits) * len(study.methods)
    limit = min(POINTS, POINTS_OF_ALL_MAPS // count)
    protocols = tuple(_protocol(study, split, maps, limit, len(splits)) for split in splits)
    shared, own = shared_and_own(study.methods)
    return Summary(study, protocols, shared, own, read_figures(study.folder, study.figures))


def _protocol(study: Study, split: Split, projection: str, limit: int, protocols: int) -> ProtocolSummary:
    runs = _runs_of(study, split)
    answers = {name: {seed: read_records(run, split) for seed, run in seeds.items()} for name, seeds in runs.items()}
    first = _same_images(answers)
    there = set(first.classes)
    classes = tuple(name for name in study.data.classes if name in there)
    labels = _labels(split, first, classes)
    scores = score_names(runs, study.primary)
    rows = result_rows(study, runs, answers, scores)
    pairs = differences_of_pairs(study, rows, answers)
    best, level = best_and_level(study, rows, pairs)
    order = stratified_order(labels, np.random.default_rng(derived_seed(0, "points", split.protocol)))
    points = points_of(study, split, first, labels, order, limit, SPRITE_BYTES // protocols)
    shown = [(runs[row.method.name][row.chosen], answers[row.method.name][row.chosen]) for row in rows]
    drawn = [draw(run, records, points, labels, order, projection) for run, records in shown]
    trained = [row for row in rows if row.method.kind == "trained"]
    curves = [read_curve(runs[row.method.name][seed]) for row in trained for seed in row.seeds]
    confusions = [
        confusion(row.method.name, list(answers[row.method.name].values()), study.data.classes) for row in rows
    ]
    confused = {found.method: found for found in confusions if found is not None}
    wrong = [mistakes(run.method, run.seed, records, labels) for run, records in shown]
    missed = tuple(found for found in wrong if found is not None)
    verified = [read_verification(run) for run, _ in shown]
    strangers = [read_unknowns(run) for run, _ in shown]
    return ProtocolSummary(
        split=split,
        image_ids=first.image_ids,
        labels=labels,
        classes=classes,
        class_sizes=tuple(np.bincount(labels, minlength=len(classes)).tolist()),
        rows=rows,
        scores=scores,
        pairs=pairs,
        best=best,
        level=level,
        detectable=detectable_range(rows),
        missing=_missing(study, runs),
        points=points,
        maps=tuple(map_ for map_, _ in drawn),
        separations=tuple(histogram for _, histogram in drawn),
        confusions=tuple(confused.values()),
        curves=tuple(curve for curve in curves if curve is not None),
        trials=read_trials(study.folder, split.protocol, [row.method.name for row in rows]),
        class_distances=tuple(class_distances(run, labels, classes, confused.get(run.method)) for run, _ in shown),
        mistakes=missed,
        verified=tuple(found for found in verified if found is not None),
        unknowns=tuple(found for found in strangers if found is not None),
        pictured=pictured(missed, read_thumbnails(study, split), MISTAKE_BYTES // protocols),
    )


def _runs_of(study: Study, split: Split) -> dict[str, dict[int, Run]]:
    runs: dict[str, dict[int, Run]] = {}
    for run in sorted(study.runs, key=lambda run: run.seed):
        if run.protocol == split.protocol:
            runs.setdefault(run.method, {})[run.seed] = run
    return runs


def _missing(study: Study, runs: Mapping[str, Mapping[int, Run]]) -> tuple[tuple[str, int], ...]:
    expected = [(method.name, seed) for method in study.methods for seed in study.expected_seeds(method)]
    return tuple((name, seed) for name, seed in expected if seed not in runs.get(name, {}))


def _same_images(answers: Mapping[str, Mapping[int, Records]]) -> Records:
    """The records of any run, after a check that all runs speak of the same images and classes."""
    everything = [record for seeds in answers.values() for record in seeds.values()]
    first = everything[0]
    for record in everything:
        if record.image_ids != first.image_ids or record.classes != first.classes:
            raise InputError(
                "runs of one protocol disagree about the images or classes of their records.csv; run the study again"
            )
        if any(len(values) != len(first.episodes.get(name, values)) for name, values in record.episodes.items()):
            raise InputError("runs of one protocol disagree about the episodes of their episodes.csv; run the study again")
    return first


def _labels(split: Split, records: Records, classes: Sequence[str]) -> NDArray[np.int64]:
    place = {name: index for index, name in enumerate(classes)}
    unknown = next((name for name in records.classes if name not in place), None)
    if unknown is not None:
        raise InputError(
            f"a record of protocol {split.protocol!r} has the class {unknown!r}, which study.json does not list"
        )
    return np.array([place[name] for name in records.classes], dtype=np.int64)
