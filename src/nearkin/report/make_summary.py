"""From a study folder to facts: the one place where a report computes.

Everything follows from the folder, so the same folder gives the same summary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, choice, derived_seed
from nearkin.report.confusion import confusion
from nearkin.report.curves import read_curve
from nearkin.report.pairs import Floats, pair_distance
from nearkin.report.planar import PROJECTIONS, planar, quantised
from nearkin.report.records import Records, read_records
from nearkin.report.sampling import stratified_order
from nearkin.report.scores import best_and_level, detectable_range, differences_of_pairs, result_rows, score_names
from nearkin.report.separation import Separation, separation
from nearkin.report.settings import shared_and_own
from nearkin.report.sprite import sprite
from nearkin.report.study import Run, Split, Study, read_study
from nearkin.report.summary import Map, Points, ProtocolSummary, Row, Summary

POINTS = 5_000  # in one map
POINTS_OF_ALL_MAPS = 100_000
SPRITE_BYTES = 4_500_000  # of all protocols; base64 makes 6 MB of them
THUMBNAILS = 10_000  # of one protocol, where they fit
NUMBERED = 65_535  # images that the page can point at
NEIGHBOURS = 5  # shown beside each map


def summarise(folder: Path | str, *, maps: str = "pca") -> Summary:
    """Read a study folder and work out everything that its report says.

    maps:      "pca" (default: at once, without further packages) or "tsne" (needs the extra `maps`); an embedding of two
               outputs is always shown as it is
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
    protocols = tuple(_protocol(study, split, maps, limit, SPRITE_BYTES // len(splits)) for split in splits)
    shared, own = shared_and_own(study.methods)
    return Summary(study, protocols, shared, own)


def _protocol(study: Study, split: Split, projection: str, limit: int, sprite_bytes: int) -> ProtocolSummary:
    runs = _runs_of(study, split)
    answers = {name: {seed: read_records(run, split) for seed, run in seeds.items()} for name, seeds in runs.items()}
    first = _same_images(answers)
    classes = tuple(name for name in study.data.classes if name in set(first.classes))
    labels = _labels(split, first, classes)
    scores = score_names(runs, study.primary)
    rows = result_rows(study, runs, answers, scores)
    pairs = differences_of_pairs(study, rows, answers)
    best, level = best_and_level(study, rows, pairs)
    order = stratified_order(labels, np.random.default_rng(derived_seed(0, "points", split.protocol)))
    points = _points(study, split, first, labels, order, limit, sprite_bytes)
    drawn = [_drawn(row, runs[row.method.name][row.chosen], answers[row.method.name][row.chosen], points, labels, order, projection) for row in rows]
    trained = [row for row in rows if row.method.kind == "trained"]
    curves = [read_curve(runs[row.method.name][seed]) for row in trained for seed in row.seeds]
    confusions = [confusion(row.method.name, list(answers[row.method.name].values()), study.data.classes) for row in rows]
    return ProtocolSummary(
        split=split,
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
        confusions=tuple(found for found in confusions if found is not None),
        curves=tuple(curve for curve in curves if curve is not None),
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
            raise InputError("runs of one protocol disagree about the images or classes of their records.csv; run the study again")
    return first


def _labels(split: Split, records: Records, classes: Sequence[str]) -> NDArray[np.int64]:
    place = {name: index for index, name in enumerate(classes)}
    unknown = next((name for name in records.classes if name not in place), None)
    if unknown is not None:
        raise InputError(f"a record of protocol {split.protocol!r} has the class {unknown!r}, which study.json does not list")
    return np.array([place[name] for name in records.classes], dtype=np.int64)


def _points(
    study: Study, split: Split, records: Records, labels: NDArray[np.int64], order: NDArray[np.int64], limit: int, sprite_bytes: int
) -> Points:
    place = order[:limit]
    thumbnails = _thumbnails(study, split)
    return Points(
        place=place,
        label=labels[place],
        image_ids=tuple(records.image_ids[image] for image in place),
        sprite=sprite(thumbnails[order[:THUMBNAILS]], sprite_bytes) if thumbnails is not None else None,
    )


def _thumbnails(study: Study, split: Split) -> NDArray[np.uint8] | None:
    path = study.folder / "thumbnails" / f"{split.protocol}.npy"
    if not path.exists():
        return None
    images = _array(path)
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) != len(split.test) or 0 in images.shape:
        raise InputError(f"{path} must be uint8 (test images, height, width, channels), got {images.dtype} {images.shape}")
    return np.asarray(images, dtype=np.uint8)


def _array(path: Path) -> NDArray[np.generic]:
    try:
        array: NDArray[np.generic] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path} is missing; run the study again to write it") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    return array


def _embeddings(run: Run, split_size: int, place: NDArray[np.int64]) -> Floats:
    path = run.folder / "embeddings.npy"
    stored = _array(path)
    if stored.ndim != 2 or len(stored) != split_size or stored.shape[1] == 0 or stored.dtype.kind != "f":
        raise InputError(f"{path} must be floats ({split_size} test images, dimensions), got {stored.dtype} {stored.shape}")
    rows = np.asarray(stored[place], dtype=np.float64)
    if not np.isfinite(rows).all():
        raise InputError(f"{path} holds NaN or infinity: the run of {run.method!r}, seed {run.seed}, has failed")
    return rows


def _drawn(
    row: Row, run: Run, records: Records, points: Points, labels: NDArray[np.int64], order: NDArray[np.int64], projection: str
) -> tuple[Map, Separation]:
    """The map and the histogram of a method's chosen run."""
    rows = _embeddings(run, len(labels), points.place)
    distance, note = pair_distance(run.distance)
    how, xy, kept = planar(rows, distance, projection)
    neighbours, neighbour_labels = _neighbours(records, points, labels, order)
    name = row.method.name
    drawn = Map(name, run.seed, run.distance, how, kept, quantised(xy), neighbours, neighbour_labels)
    return drawn, separation(name, rows, points.label, distance, note)


def _neighbours(
    records: Records, points: Points, labels: NDArray[np.int64], order: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The nearest test images of every point: their numbers in the order, and their classes."""
    number = np.full(len(labels) + 1, -1, dtype=np.int64)  # the last entry answers for the padding -1
    number[order[:NUMBERED]] = np.arange(len(order[:NUMBERED]))
    near = records.neighbours[points.place][:, :NEIGHBOURS]
    return number[near], np.append(labels, -1)[near]
