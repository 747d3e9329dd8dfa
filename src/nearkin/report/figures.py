"""Figures of a study folder, as `nearkin compare` writes them where a recipe asks for some: numbers, checked while read.

    figures/NAME.json   schema, name, title, source, says, rows, panels, table; study.json names them in `figures`
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError
from nearkin.report.reading import Fields, read_fields

Floats = NDArray[np.float64]

KINDS = ("points", "line", "steps")
SCALES = ("linear", "log")


@dataclass(frozen=True)
class Axis:
    """A quantity, its unit, and its limits where the figure fixes them."""

    name: str
    unit: str
    log: bool
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Series:
    """Numbers with a name. Of "steps" `x` has the edges, one more than `y`.

    of      the name of the series whose colour it has, or ""
    label   what stands beside it instead of in the key, or ""
    """

    name: str
    kind: str
    x: Floats
    y: Floats
    of: str
    label: str


@dataclass(frozen=True)
class Panel:
    """One drawing: axes, series, points with a letter, and values of x with a name."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    marks: tuple[tuple[str, float, float], ...]
    verticals: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Figure:
    """What a file of `figures` says: panels, a table of its key numbers, one sentence, and where it is from."""

    name: str
    title: str
    source: str
    says: str
    panels: tuple[Panel, ...]
    heads: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


def read_figures(folder: Path, names: Sequence[str]) -> tuple[Figure, ...]:
    """The figures of a study that are there; a study that is not finished may lack some. Errors: InputError for a damaged file."""
    for name in names:
        if Path(name).name != name:
            raise InputError(f"{folder / 'study.json'}: a figure must be a plain name, got {name!r}")
    paths = [folder / "figures" / f"{name}.json" for name in names]
    return tuple(_figure(read_fields(path)) for path in paths if path.exists())


def _figure(fields: Fields) -> Figure:
    table = fields.inside("table")
    heads = table.texts("heads")
    rows = tuple(tuple(row) for row in table.take("rows", list) if isinstance(row, list) and len(row) == len(heads))
    if len(rows) < len(table.values["rows"]) or not all(isinstance(cell, str | int | float | None) for row in rows for cell in row):
        raise InputError(f"{fields.source}: every row of the table must be {len(heads)} texts or numbers, as it has heads")
    return Figure(
        name=fields.take("name", str),
        title=fields.take("title", str),
        source=fields.take("source", str),
        says=fields.take("says", str),
        panels=tuple(_panel(panel) for panel in _objects(fields, "panels")),
        heads=heads,
        rows=rows,
    )


def _panel(fields: Fields) -> Panel:
    return Panel(
        title=fields.take("title", str),
        x=_axis(fields.inside("x")),
        y=_axis(fields.inside("y")),
        series=tuple(_series(series) for series in _objects(fields, "series")),
        marks=tuple((mark.take("name", str), _number(mark, "x"), _number(mark, "y")) for mark in _objects(fields, "marks")),
        verticals=tuple((line.take("name", str), _number(line, "x")) for line in _objects(fields, "verticals")),
    )


def _axis(fields: Fields) -> Axis:
    low, high = (None if fields.values.get(name) is None else _number(fields, name) for name in ("low", "high"))
    log = _one_of(fields, "scale", SCALES) == "log"
    if (log and low is not None and low <= 0) or (low is not None and high is not None and low >= high):
        raise InputError(f"{fields.source}: an axis must go from low to high, above 0 where it is logarithmic; got {low} to {high}")
    return Axis(fields.take("name", str), fields.maybe("unit", str, ""), log, low, high)


def _series(fields: Fields) -> Series:
    kind = _one_of(fields, "kind", KINDS)
    x, y = _numbers(fields, "x"), _numbers(fields, "y")
    if len(x) != len(y) + (kind == "steps"):
        raise InputError(f"{fields.source}: series {fields.take('name', str)!r} has {len(x)} values of x and {len(y)} of y")
    return Series(fields.take("name", str), kind, x, y, fields.maybe("of", str, ""), fields.maybe("label", str, ""))


def _objects(fields: Fields, name: str) -> list[Fields]:
    values: list[Any] = fields.maybe(name, list, [])
    if not all(isinstance(value, dict) for value in values):
        raise InputError(f"{fields.source}: field {name!r} must be a list of objects")
    return [Fields(fields.source, value) for value in values]


def _one_of(fields: Fields, name: str, known: tuple[str, ...]) -> str:
    value = fields.take(name, str)
    if value not in known:
        raise InputError(f"{fields.source}: field {name!r} must be one of {', '.join(known)}, got {value!r}")
    return value


def _number(fields: Fields, name: str) -> float:
    return float(fields.take(name, (int, float)))


def _numbers(fields: Fields, name: str) -> Floats:
    try:
        values = np.array(fields.take(name, list), dtype=np.float64)
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if values.ndim != 1 or not np.isfinite(values).all():
        raise InputError(f"{fields.source}: field {name!r} must be a list of finite numbers")
    return values
