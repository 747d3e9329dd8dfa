"""What a study folder says about itself: the study, its methods, splits and finished runs, checked while read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, InputTypeError
from nearkin.report.reading import Fields, read_fields

KINDS = ("trained", "fitted", "untrained", "features", "pixels")
COMPARED = ("trained", "fitted")
"""Rows that learned something; the others are what they are held against."""
SEEDLESS = ("features", "pixels", "fitted")
"""Rows that know no seed: one run counts for all."""


@dataclass(frozen=True)
class Method:
    """A row of a table. `kind` is "trained", "fitted" (an estimator, no training), "untrained" (the network as
    initialised), "features" (what a frozen backbone gives) or "pixels" (no network)."""

    name: str
    description: str
    kind: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Data:
    """The images that were compared on."""

    name: str
    hash: str
    images: int
    classes: tuple[str, ...]
    groups: int | None
    image_size: tuple[int, ...]
    notes: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Run:
    """One finished run: a method under a protocol with a seed. Arrays stay in its folder until they are asked for."""

    folder: Path
    key: str
    method: str
    protocol: str
    seed: int
    distance: str
    scores: Mapping[str, float]
    seconds: float
    best_step: int
    notes: tuple[str, ...]
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Split:
    """Indices into the image set; every run of a protocol answers for the same `test` images, in this order."""

    protocol: str
    seed: int
    description: Mapping[str, Any]
    train: int
    validation: int
    test: NDArray[np.int64]


@dataclass(frozen=True)
class Study:
    """All that stands in the folder but arrays and records."""

    folder: Path
    name: str
    created: str
    nearkin: str
    versions: Mapping[str, str]
    command: str
    budget: Mapping[str, Any]
    data: Data
    methods: tuple[Method, ...]
    baseline: str
    seeds: tuple[int, ...]
    primary: str
    tuned: bool
    splits: tuple[Split, ...]
    runs: tuple[Run, ...]
    figures: tuple[str, ...] = ()

    def expected_seeds(self, method: Method) -> tuple[int, ...]:
        """Seeds that a method is to be run with; what knows no seed has one run, which counts for all."""
        return self.seeds[:1] if method.kind in SEEDLESS else self.seeds


def read_study(folder: Path | str) -> Study:
    """Read and check everything of a study folder but its arrays. Errors: InputError that names the file at fault."""
    if not isinstance(folder, (str, Path)):
        raise InputTypeError(f"a study folder must be a path, got {type(folder).__name__}")
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"there is no study folder {str(folder)!r}; give the folder that `nearkin compare` wrote")
    fields = read_fields(folder / "study.json")
    methods = tuple(_method(Fields(fields.source, entry)) for entry in _objects(fields, "methods"))
    names = [method.name for method in methods]
    baseline = fields.take("baseline", str)
    if baseline not in names or len(set(names)) != len(names):
        raise InputError(
            f"{fields.source}: methods must have different names, one of them the baseline {baseline!r}; got {names}"
        )
    runs = _read_runs(folder, names)
    if not runs:
        raise InputError(
            f"{str(folder)!r} holds no finished run yet; run the study again with the same command to go on"
        )
    return Study(
        folder=folder,
        name=fields.take("name", str),
        created=fields.maybe("created", str, ""),
        nearkin=fields.maybe("nearkin", str, ""),
        versions={name: str(version) for name, version in fields.maybe("versions", dict, {}).items()},
        command=fields.maybe("command", str, ""),
        budget=fields.maybe("budget", dict, {}),
        data=_data(fields.inside("data")),
        methods=methods,
        baseline=baseline,
        seeds=fields.integers("seeds"),
        primary=fields.take("primary", str),
        tuned=fields.take("tuned", bool),
        splits=tuple(_split(folder, protocol) for protocol in fields.texts("protocols")),
        runs=runs,
        figures=fields.texts("figures") if "figures" in fields.values else (),
    )


def _objects(fields: Fields, name: str) -> list[dict[str, Any]]:
    values = fields.take(name, list)
    if not values or not all(isinstance(value, dict) for value in values):
        raise InputError(f"{fields.source}: field {name!r} must be a list of objects, with at least one")
    return values


def _method(fields: Fields) -> Method:
    kind = fields.take("kind", str)
    if kind not in KINDS:
        raise InputError(f"{fields.source}: a method's kind must be one of {', '.join(map(repr, KINDS))}, got {kind!r}")
    return Method(
        fields.take("name", str), fields.maybe("description", str, ""), kind, fields.maybe("settings", dict, {})
    )


def _data(fields: Fields) -> Data:
    return Data(
        name=fields.take("name", str),
        hash=fields.take("hash", str),
        images=fields.take("images", int),
        classes=fields.texts("classes"),
        groups=fields.values.get("groups"),
        image_size=fields.integers("image_size"),
        notes=tuple(map(str, fields.maybe("notes", list, []))),
        source=fields.maybe("source", str, ""),
    )


def _split(folder: Path, protocol: str) -> Split:
    if Path(protocol).name != protocol:
        raise InputError(f"{folder / 'study.json'}: a protocol must be a plain name, got {protocol!r}")
    fields = read_fields(folder / "splits" / f"{protocol}.json")
    test = np.array(fields.integers("test"), dtype=np.int64)
    if not len(test) or len(np.unique(test)) != len(test):
        raise InputError(f"{fields.source}: the test images must be at least one, each named once; got {len(test)}")
    return Split(
        protocol=protocol,
        seed=fields.maybe("seed", int, 0),
        description=fields.maybe("description", dict, {}),
        train=len(fields.integers("train")),
        validation=len(fields.integers("validation")),
        test=test,
    )


def _read_runs(folder: Path, methods: list[str]) -> tuple[Run, ...]:
    runs = []
    for path in sorted((folder / "runs").glob("*/run.json")):
        fields = read_fields(path)
        if fields.take("status", str) == "done":
            runs.append(_run(fields))
            if runs[-1].method not in methods:
                raise InputError(
                    f"{path} is of the method {runs[-1].method!r}, which study.json does not list: {methods}"
                )
    cells = [(run.method, run.protocol, run.seed) for run in runs]
    twice = next((cell for cell in cells if cells.count(cell) > 1), None)
    if twice:
        raise InputError(
            f"{folder / 'runs'} holds two finished runs of method {twice[0]!r}, protocol {twice[1]!r}, seed {twice[2]}"
        )
    return tuple(sorted(runs, key=lambda run: (run.protocol, methods.index(run.method), run.seed)))


def _run(fields: Fields) -> Run:
    scores = fields.inside("scores")
    shares = Fields(fields.source, fields.maybe("shares", dict, {}))
    return Run(
        folder=fields.source.parent,
        key=fields.take("key", str),
        method=fields.take("method", str),
        protocol=fields.take("protocol", str),
        seed=fields.take("seed", int),
        distance=fields.maybe("distance", str, "euclidean"),
        scores={name: float(scores.take(name, (int, float))) for name in scores.values},
        seconds=float(fields.maybe("seconds", (int, float), 0.0)),
        best_step=fields.maybe("best_step", int, 0),
        notes=tuple(map(str, fields.maybe("notes", list, []))),
        shares={part: float(shares.take(part, (int, float))) for part in shares.values},
    )
