"""The per-query records of a run: one row a test image, in the order of the split's test images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError
from nearkin.report.reading import read_rows
from nearkin.report.study import Run, Split

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TEXTS = ("image_id", "hash", "class", "group")
LISTS = ("neighbours", "distances")


@dataclass(frozen=True)
class Records:
    """Columns of records.csv.

    scores      name -> (Q,) per-query values; NaN where a query has none (the lone image of its class)
    predicted   name -> Q class names that the kNN vote answered
    episodes    name -> (E,) share of an episode's queries that were named rightly; empty where the study has none
    neighbours  (Q, K) places of the nearest other test images within the split, nearest first; -1 pads
    distances   (Q, K) theirs; NaN pads
    """

    image_ids: tuple[str, ...]
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    scores: Mapping[str, Floats]
    predicted: Mapping[str, tuple[str, ...]]
    neighbours: Integers
    distances: Floats
    episodes: Mapping[str, Floats] = field(default_factory=dict)

    def sampled(self, score: str) -> tuple[Floats, str] | None:
        """What a score is the mean of, and what that is a sample of: (Q,) values over "classes", or (E,) over "episodes".

        None for a score of a run as a whole.
        """
        if score in self.episodes:
            return self.episodes[score], "episodes"
        column = column_of(score)
        return (self.scores[column], "classes") if column in self.scores else None


def column_of(score: str) -> str:
    """The column of records.csv whose mean is a score: recall@2 <- hits@2, precision@1 <- hits@1, map@r <- ap@r."""
    measure, at, rank = score.partition("@")
    if score == "precision@1":
        return "hits@1"
    return {"recall": "hits", "map": "ap"}.get(measure, measure) + at + rank


def read_records(run: Run, split: Split) -> Records:
    """Read a run's records.csv. Errors: InputError where it is missing, damaged, or answers for other images."""
    path = run.folder / "records.csv"
    rows = read_rows(path)
    header = next(rows, [])
    missing = [name for name in ("query", *TEXTS, *LISTS) if name not in header]
    if missing:
        raise InputError(f"{path} has no column {missing[0]!r}; its columns are {header}")
    columns = dict(zip(header, zip(*rows))) or {name: () for name in header}
    if _numbers(path, "query", columns.get("query", ())).astype(np.int64).tolist() != split.test.tolist():
        raise InputError(
            f"{path} does not answer for the test images of splits/{split.protocol}.json, in their order; "
            f"delete {path.parent} and run the study again to write it"
        )
    predicted = [name for name in header if name.startswith("predicted@")]
    scores = [name for name in header if name not in ("query", *TEXTS, *LISTS, *predicted)]
    return Records(
        image_ids=columns["image_id"],
        classes=columns["class"],
        groups=columns["group"],
        scores={name: _numbers(path, name, columns[name]) for name in scores},
        predicted={name: columns[name] for name in predicted},
        neighbours=_places(path, columns["neighbours"], split),
        distances=_distances(path, columns["neighbours"], columns["distances"]),
        episodes=_episodes(run.folder / "episodes.csv"),
    )


def _episodes(path: Path) -> dict[str, Floats]:
    """Columns of episodes.csv, each as long as its size has episodes; none without the file."""
    if not path.exists():
        return {}
    header, *rows = read_rows(path)
    columns = {name: _numbers(path, name, cells) for name, cells in zip(header, zip(*rows)) if name != "episode"}
    return {name: values[np.isfinite(values)] for name, values in columns.items()}


def _numbers(path: Path, name: str, cells: tuple[str, ...]) -> Floats:
    try:
        values = np.array([float(cell) if cell else np.nan for cell in cells], dtype=np.float64)
    except ValueError as error:
        raise InputError(f"{path}, column {name!r}: {error}") from None
    if np.isinf(values).any():
        raise InputError(f"{path}, column {name!r} holds an infinite value")
    return values


def _places(path: Path, cells: tuple[str, ...], split: Split) -> Integers:
    """Neighbours, written as indices into the image set, as places within the split's test images."""
    place = {int(image): position for position, image in enumerate(split.test)}
    try:
        lists = [[place[int(image)] for image in cell.split()] for cell in cells]
    except (ValueError, KeyError) as error:
        raise InputError(
            f"{path}, column 'neighbours' names {error}, which is no test image of {split.protocol!r}"
        ) from None
    places = np.full((len(lists), max(map(len, lists), default=0)), -1, dtype=np.int64)
    for row, near in enumerate(lists):
        places[row, : len(near)] = near
    return places


def _distances(path: Path, near: tuple[str, ...], cells: tuple[str, ...]) -> Floats:
    """The neighbours' distances, as many as there are neighbours."""
    lists = [_numbers(path, "distances", tuple(cell.split())) for cell in cells]
    wrong = next((row for row, (names, found) in enumerate(zip(near, lists)) if len(names.split()) != len(found)), None)
    if wrong is not None:
        raise InputError(f"{path}, row {wrong + 1}: there must be as many distances as neighbours")
    values = np.full((len(lists), max(map(len, lists), default=0)), np.nan)
    for row, found in enumerate(lists):
        values[row, : len(found)] = found
    return values
