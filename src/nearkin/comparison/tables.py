"""A run's records and embeddings as Parquet beside the CSV, where the extra `tables` is installed."""

from __future__ import annotations

import csv
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from nearkin.core import need, write_atomically

TEXTS = ("id", "label", "image_id", "hash", "class", "group", "neighbours", "distances")
"""Columns that are text even where they look like numbers: a class may be called 007 or NaN."""


def has_tables() -> bool:
    """Whether Parquet can be written (extra `tables`)."""
    return find_spec("pyarrow") is not None


def write_tables(folder: Path) -> None:
    """`records.parquet`, `episodes.parquet` and `embeddings.parquet` from the CSV files of a run; an empty cell of a number is null."""
    for name in ("records", "episodes", "embeddings"):
        path = folder / f"{name}.csv"
        if has_tables() and path.exists():
            _write_table(path)


def _write_table(path: Path) -> None:
    arrow, arrow_csv = (need(name, extra="tables", purpose="Parquet") for name in ("pyarrow", "pyarrow.csv"))
    parquet = need("pyarrow.parquet", extra="tables", purpose="Parquet")
    with open(path, newline="", encoding="utf-8") as file:
        header = next(csv.reader(file))
    texts = {name: arrow.string() for name in header if name in TEXTS or name.startswith("predicted@")}
    table = arrow_csv.read_csv(
        path,
        read_options=arrow_csv.ReadOptions(use_threads=False),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(column_types=texts, null_values=[""], strings_can_be_null=False),
    )
    write_atomically(path.with_suffix(".parquet"), partial(parquet.write_table, table))
