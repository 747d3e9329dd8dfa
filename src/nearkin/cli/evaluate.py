"""`nearkin evaluate`: scores of embeddings from files, or of a run's."""

from __future__ import annotations

import csv
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nearkin.cli.answers import aligned, json_option, print_json
from nearkin.cli.episodes import episode_line, episode_options, episode_section, episodes_of
from nearkin.cli.pair_scores import (
    open_set_lines,
    open_set_of,
    open_set_section,
    pair_options,
    verification_lines,
    verification_notes,
    verification_of,
    verification_section,
)
from nearkin.core import InputError, need

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@click.command()
@click.argument("embeddings", type=click.Path(path_type=Path))
@click.option("--labels", type=click.Path(path_type=Path), help="Labels: .npy, or a text file with one a line, or a CSV with a column label.")
@click.option("--support", type=click.Path(path_type=Path), help="Embeddings whose labels vote in kNN; default: leave-one-out.")
@click.option("--support-labels", type=click.Path(path_type=Path), help="Their labels.")
@click.option("--distance", help="By which distance (nearkin list distances); default: the run's own, else euclidean.")
@click.option("--at", multiple=True, type=click.IntRange(min=1), default=(1, 2, 4, 8), show_default=True, help="K of Recall@K; repeatable.")
@click.option("--knn", multiple=True, type=click.IntRange(min=1), default=(1, 5), show_default=True, help="k of kNN; repeatable.")
@click.option("--clustering/--no-clustering", default=True, show_default=True, help="k-means with NMI, AMI and F1.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The seed of k-means and episodes.")
@episode_options
@pair_options
@json_option
def evaluate(
    embeddings: Path,
    labels: Path | None,
    support: Path | None,
    support_labels: Path | None,
    distance: str | None,
    sizes: tuple[tuple[int, int], ...],
    episode_queries: int,
    within: str | None,
    verification: bool,
    unknown: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Judge EMBEDDINGS by retrieval, kNN, clustering, episodes, pairs and unknown classes.

    EMBEDDINGS is a .npy of shape (rows, dimensions), a CSV with columns label, e0, e1, ... (as every run writes), or the
    folder of a run.
    """
    need("torch", extra="train", purpose="nearkin evaluate")
    from nearkin.evaluation import evaluate as judge

    if support_labels and not support:
        raise InputError(f"--support-labels {support_labels} are labels of nothing; give --support as well")
    queries = read_rows(embeddings, labels)
    voters = read_rows(support, support_labels) if support else None
    codes = _codes(queries, voters)
    searched = distance or _own_distance(embeddings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # they stand in the notes
        found = judge(
            queries.rows,
            codes[: len(queries.rows)],
            support=voters.rows if voters else None,
            support_labels=codes[len(queries.rows) :] if voters else None,
            distance=searched,
            **options,
        )
    own = codes[: len(queries.rows)]
    few = episodes_of(
        queries.rows,
        own,
        queries.labels,
        sizes,
        queries=episode_queries,
        within=within,
        distance=searched,
        seed=options["seed"],
    )
    paired = verification_of(queries.rows, own, asked=verification, distance=searched, seed=options["seed"])
    opened = open_set_of(queries.rows, own, queries.labels, unknown, support=voters is not None, distance=searched)
    if as_json:
        more: dict[str, Any] = {"episodes": [episode_section(each) for each in few]} if few else {}
        more |= {"verification": verification_section(paired)} if paired else {}
        more |= {"open_set": open_set_section(opened)} if opened else {}
        print_json({"scores": found.scores, "lone": found.lone, "notes": list(found.notes), **more})
        return
    lines = [*((name, f"{score:.4f}") for name, score in found.scores.items()), *map(episode_line, few)]
    lines += verification_lines(paired) if paired else []
    click.echo(aligned([*lines, *(open_set_lines(opened) if opened else [])]))
    notes = [*found.notes, *(note for each in few for note in each.notes), *(verification_notes(paired) if paired else [])]
    for note in dict.fromkeys(notes):
        click.echo(f"! {note}", err=True)


@dataclass(frozen=True)
class Labelled:
    """Embeddings and the text of each one's label."""

    rows: NDArray[np.floating[Any]]
    labels: list[str]


def read_rows(path: Path, labels: Path | None) -> Labelled:
    """Embeddings with labels from files. Errors: InputError that names the file and what is wrong with it."""
    import numpy as np

    if path.is_dir():
        path, labels = _of_run(path, labels)
    if not path.is_file():
        raise InputError(f"there are no embeddings at {path}; give a .npy, a .csv, or the folder of a run")
    own: list[str] | None = None
    if path.suffix.lower() == ".csv":
        rows, own = _read_csv(path)
    else:
        rows = _read_npy(path)
    texts = _read_labels(labels) if labels is not None else own
    if texts is None:
        raise InputError(f"{path} has no labels in it; give them with --labels FILE")
    if len(texts) != len(rows):
        raise InputError(f"{path} has {len(rows)} rows, but there are {len(texts)} labels ({labels or path})")
    return Labelled(np.asarray(rows), texts)


def _of_run(folder: Path, labels: Path | None) -> tuple[Path, Path | None]:
    """The embeddings of a run and where their labels are: in the same CSV, or, for raw pixels, in the records."""
    if (folder / "embeddings.csv").is_file() or not (folder / "embeddings.npy").is_file():
        return folder / "embeddings.csv", labels
    return folder / "embeddings.npy", labels or folder / "records.csv"


def _own_distance(path: Path) -> Any:
    """The distance that a run was judged by; Euclidean where the embeddings are of no run.

    What a distance does to its rows before it compares them (a learned map, a centring) is in the rows of a run already.
    """
    from nearkin.distances import make_distance

    try:
        run = json.loads((path / "run.json").read_text("utf-8"))
        name, options = str(run["distance"]), dict(run.get("distance_options") or {})
    except (OSError, ValueError, LookupError, TypeError):
        return make_distance("euclidean")
    return make_distance(name, **{key: value for key, value in options.items() if key not in ("dimensions", "rank", "center")})


def _read_npy(path: Path) -> NDArray[Any]:
    import numpy as np

    try:
        loaded: Any = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        why = "it holds no plain numbers or texts" if "pickle" in str(error) else error
        raise InputError(f"{path} is no array that can be read: {why}") from None
    if not isinstance(loaded, np.ndarray):
        loaded.close()
        raise InputError(f"{path} holds several arrays (.npz); save the one that is meant as .npy")
    return loaded


def _read_csv(path: Path) -> tuple[NDArray[Any], list[str] | None]:
    import numpy as np

    header, *rows = _table(path)
    numbers = [i for i, name in enumerate(header) if name[:1] == "e" and name[1:].isdigit()]
    if not numbers:
        raise InputError(f"{path} has no columns e0, e1, ...; its columns are {', '.join(header)}")
    try:
        values = np.array([[float(row[i]) for i in numbers] for row in rows], dtype=np.float64).reshape(len(rows), -1)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    return values, [row[header.index("label")] for row in rows] if "label" in header else None


def _read_labels(path: Path) -> list[str]:
    if path.suffix.lower() == ".npy":
        array = _read_npy(path)
        if array.ndim != 1 or array.dtype.kind not in "iuUb":
            raise InputError(f"{path} must be one column of whole numbers or texts, got {array.dtype} of shape {array.shape}")
        return [str(label) for label in array.tolist()]
    if path.suffix.lower() == ".csv":
        header, *rows = _table(path)
        column = next((name for name in ("label", "class") if name in header), None)
        if column is None:
            raise InputError(f"{path} has no column label; its columns are {', '.join(header)}")
        return [row[header.index(column)] for row in rows]
    try:
        return path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the labels {path} cannot be read: {error}") from None


def _table(path: Path) -> list[list[str]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file, strict=True) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        raise InputError(f"{path} must be a CSV with a header and rows of equal length")
    return rows


def _codes(queries: Labelled, voters: Labelled | None) -> list[int]:
    """The labels of queries and voters as whole numbers, equal for equal texts."""
    texts = [*queries.labels, *(voters.labels if voters else [])]
    place = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    return [place[text] for text in texts]
