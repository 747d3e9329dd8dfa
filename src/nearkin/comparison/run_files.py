"""The files of a run: embeddings, the records of every query, and `run.json`, which is written last."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from nearkin.comparison.runs import RECORD
from nearkin.comparison.versions import versions
from nearkin.core import write_atomically, write_json
from nearkin.data import ImageSet
from nearkin.evaluation import Evaluation


def write_embeddings(folder: Path, embeddings: np.ndarray, images: ImageSet, test: np.ndarray, *, csv: bool) -> None:
    """`embeddings.npy`, float32 (n, D) in test order; and `embeddings.csv` with id, label, e0, e1, ... where asked for."""
    rows = np.ascontiguousarray(embeddings, dtype=np.float32)
    buffer = io.BytesIO()
    np.save(buffer, rows)
    write_atomically(folder / "embeddings.npy", buffer.getvalue())
    if csv:
        lines = (
            [images.image_ids[image], images.classes[images.labels[image]], *map(number_text, row)]
            for image, row in zip(test, rows)
        )
        write_csv(folder / "embeddings.csv", ["id", "label", *(f"e{i}" for i in range(rows.shape[1]))], lines)


def write_records(folder: Path, found: Evaluation, images: ImageSet, test: np.ndarray) -> None:
    """`records.csv`: one row a query with its image, class and group, every per-query score, and its nearest images.

    `query` and `neighbours` are positions in the whole image set; numbers are exact, an empty cell is no number.
    """
    queries = found.queries
    scores = [name for name in queries if name not in ("neighbours", "distances", "relevant")]
    header = ["query", "image_id", "hash", "class", "group", *map(_column, scores), "neighbours", "distances"]
    write_csv(folder / "records.csv", header, _record_rows(queries, scores, images, test))


def _record_rows(queries: dict[str, Any], scores: list[str], images: ImageSet, test: np.ndarray) -> Iterable[list[str]]:
    for place, image in enumerate(test):
        near = queries["neighbours"][place]
        distances = queries["distances"][place][near >= 0]
        yield [
            str(image),
            images.image_ids[image],
            images.hashes[image],
            images.classes[images.labels[image]],
            "" if images.groups is None else images.group_names[images.groups[image]],
            *(_cell(name, queries[name][place], images) for name in scores),
            " ".join(str(test[other]) for other in near[near >= 0]),
            " ".join(number_text(np.float32(distance)) for distance in distances),
        ]


def _cell(name: str, value: Any, images: ImageSet) -> str:
    if name.startswith("predicted@"):
        return images.classes[int(value)] if value >= 0 else ""
    return number_text(value)


def _column(name: str) -> str:
    """The evaluation's `hit@K` is `hits@K` in the records."""
    return name.replace("hit@", "hits@")


def number_text(value: Any) -> str:
    """The shortest text that gives the same number again; nothing for NaN."""
    number = value.item() if isinstance(value, np.float64) else value
    if number != number:
        return ""
    text = str(number)
    return text.removesuffix(".0")


def write_csv(path: Path, header: list[str], rows: Iterable[list[str]]) -> None:
    """A CSV file, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """`run.json`; its presence says that the run is finished."""
    write_json(folder / RECORD, {**record, "versions": versions()})
