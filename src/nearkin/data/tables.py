"""A CSV of images: columns path and label, optionally split, group, query and gallery; paths are relative to the CSV."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from nearkin.core import InputError, suggestion
from nearkin.data.assembling import assemble
from nearkin.data.decoding import Item, Picture
from nearkin.data.folders import SPLIT_FOLDERS
from nearkin.data.images import ImageSet
from nearkin.data.preparing import Preparation
from nearkin.data.shelves import read_file

REQUIRED = ("path", "label")
FLAGS = ("query", "gallery")
COLUMNS = (*REQUIRED, "split", "group", *FLAGS)


def read_table(place: Path, preparation: Preparation) -> ImageSet:
    """Read the images that the CSV lists, in its order. Every cell is literal text: "007", "NaN" and "=1+1" are names.

    `query` and `gallery` hold 1 or 0 (or nothing, which is 0): which images of the test part ask, and which may answer. They
    mean nothing in the other parts.
    """
    header, rows = _parsed(place)
    notes = []
    extra = [column for column in header if column not in COLUMNS]
    if extra:
        notes.append(f"columns not used: {', '.join(extra)} (known: {', '.join(COLUMNS)})")
    items = list(_items(place, rows))
    return assemble(place.stem, items, preparation, source=str(place), notes=notes)


def _parsed(place: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The header, and each row with its line number."""
    try:
        text = read_file(place).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{place} is not UTF-8 text: {error}") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, dict[str, str]]] = []
    try:
        header = next(reader, [])
        _check_header(place, header)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise InputError(
                    f"{place}, line {reader.line_num}: {len(cells)} cells under {len(header)} column names"
                )
            rows.append((reader.line_num, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        raise InputError(f"{place}, line {reader.line_num}: {error}") from None
    if not rows:
        raise InputError(f"{place} has a header, but no rows")
    return header, rows


def _check_header(place: Path, header: list[str]) -> None:
    for column in REQUIRED:
        if column not in header:
            near = suggestion(column, header)
            found = ", ".join(map(repr, header)) or "nothing"
            raise InputError(
                f"{place} has no column {column!r}; its first line names {found}, separated by commas{near}"
            )
    if len(set(header)) < len(header):
        raise InputError(f"{place} names a column twice: {', '.join(header)}")


def _items(place: Path, rows: list[tuple[int, dict[str, str]]]) -> Iterator[Item]:
    line_of: dict[str, int] = {}
    for line, row in rows:
        for column in COLUMNS:
            if row.get(column) == "" and column not in FLAGS:
                raise InputError(f"{place}, line {line}: the {column} is empty")
        path = os.path.normpath(place.parent / row["path"])
        if path in line_of:
            raise InputError(f"{place}, line {line}: {row['path']!r} is listed already in line {line_of[path]}")
        line_of[path] = line
        split = row.get("split")
        if split is not None and split not in SPLIT_FOLDERS:
            raise InputError(f"{place}, line {line}: the split is {split!r}; it must be train, validation or test")
        yield Item(
            row["path"],
            row["label"],
            Picture(partial(_data, Path(path), place, line), path),
            split=None if split is None else SPLIT_FOLDERS[split],
            group=row.get("group"),
            query=_flag(place, line, row, "query"),
            gallery=_flag(place, line, row, "gallery"),
        )


def _flag(place: Path, line: int, row: dict[str, str], column: str) -> bool | None:
    """1 or 0; None where there is no such column."""
    cell = row.get(column)
    if cell not in (None, "", "0", "1"):
        raise InputError(f"{place}, line {line}: {column} is {cell!r}; it must be 1 or 0")
    return None if cell is None else cell == "1"


def _data(path: Path, place: Path, line: int) -> bytes:
    if not path.is_file():
        raise InputError(f"{place}, line {line}: there is no image file {path}")
    return read_file(path)
