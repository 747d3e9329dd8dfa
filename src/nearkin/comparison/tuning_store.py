"""`tuning.db`: the trials of a study as Optuna's own tables (SQLite), for its dashboard and its analyses.

The records of the trials are the truth, and suggestions follow from them alone. This file is written after them, by one process
at a time; one that is missing, damaged or says something else is written anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nearkin.comparison.claims import claim
from nearkin.comparison.progress import Listener
from nearkin.comparison.recipe import Method
from nearkin.comparison.runs import Run
from nearkin.comparison.study import Study
from nearkin.comparison.suggesting import as_told, distributions, optuna, quiet
from nearkin.comparison.tuning import TPE, chain, score_of, searched

NAME = "tuning.db"
PAUSE = 10.0
"""Seconds between two writings while trials are made."""

_last: dict[Path, float] = {}


def write_tuning_store(study: Study, listener: Listener, *, at_once: bool) -> None:
    """Bring `tuning.db` up to date with the finished trials of a study that is tuned by `tpe`; `at_once` without a pause.

    Where another process is at it, that one's work stands. A file that cannot be written is said and stops nothing.
    """
    if study.recipe.tuning.get("sampler") != TPE:
        return
    path = study.folder / NAME
    if not at_once and time.monotonic() - _last.get(path, -PAUSE) < PAUSE:
        return
    _last[path] = time.monotonic()
    with claim(study.folder / ".tuning") as mine:
        if not mine:
            return
        try:
            _write(study, path)
        except Exception:  # a damaged file raises errors of many kinds
            _remove(path)
            try:
                _write(study, path)
            except Exception as error:
                _remove(path)
                listener.note(f"{path} cannot be written: {error}")


def study_name(method: str, protocol: str) -> str:
    """What the trials of a method under a protocol are called in `tuning.db`."""
    return f"{method}, {protocol}"


def _write(study: Study, path: Path) -> None:
    package = optuna()
    with quiet(package):
        storage = package.storages.RDBStorage(f"sqlite:///{path}")
        try:
            for protocol in study.recipe.protocols:
                for method in study.recipe.methods:
                    runs = [run for run in chain(study, method, protocol) if run.record() is not None]
                    _write_study(package, storage, study, method, protocol, runs)
        finally:
            storage.engine.dispose()


def _write_study(
    package: Any, storage: Any, study: Study, method: Method, protocol: str, runs: Iterable[Run]
) -> None:
    """Append the trials that are not there yet; where those that are there are others, begin anew."""
    name = study_name(method.name, protocol)
    table = package.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
    wanted = [_trial(package, method, run, searched(run.method, study.recipe)) for run in runs]
    there = [(trial.user_attrs.get("run"), trial.value, trial.params) for trial in table.get_trials(deepcopy=False)]
    if there != [(trial.user_attrs["run"], trial.value, trial.params) for trial in wanted[: len(there)]]:
        package.delete_study(study_name=name, storage=storage)
        table = package.create_study(storage=storage, study_name=name, direction="maximize")
        there = []
    table.add_trials(wanted[len(there) :])


def _trial(package: Any, method: Method, run: Run, values: Mapping[str, Any]) -> Any:
    """A trial with its settings, or with those alone in its attributes where they lie outside the search space."""
    record: Mapping[str, Any] = run.record() or {}
    told = as_told(method.search, values)
    return package.trial.create_trial(
        params=told or {},
        distributions=distributions(method.search) if told else {},
        value=score_of(record),
        user_attrs={"run": run.key, "trial": run.trial, "status": record.get("status"), "settings": dict(values)},
    )


def _remove(path: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
