"""Making the runs of a study: one after another, shared with whoever else works on it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence

from nearkin.comparison.claims import claim
from nearkin.comparison.performing import perform, perform_trial
from nearkin.comparison.planning import table_runs
from nearkin.comparison.progress import Listener
from nearkin.comparison.runs import RECORD, Run
from nearkin.comparison.study import Study
from nearkin.comparison.tuning import chosen_methods, trials
from nearkin.comparison.tuning_store import write_tuning_store

CLAIM = ".claim"
PATIENCE = 0.2
"""Seconds between two looks at runs that another process is making."""


def work(study: Study, listener: Listener) -> None:
    """Make every run of the study that is not finished, first the trials of settings; wait for those that others make.

    A run is claimed while it is made, so several processes may work on one study. Returns when all are finished.
    """
    _make_trials(study, listener)
    _make_all(planned_runs(study), lambda run: perform(study, run, listener))


def planned_runs(study: Study) -> list[Run]:
    """The runs of the table; in a tuned study their settings are those of the best trials so far."""
    return table_runs(study, chosen_methods(study) if study.recipe.tuned else None)


def _make_trials(study: Study, listener: Listener) -> None:
    """Make the trials that are settled until there are none: a finished one may settle the next of its method."""

    def make(run: Run) -> None:
        perform_trial(study, run, listener)
        write_tuning_store(study, listener, at_once=False)

    while pending := [run for run in trials(study) if run.record() is None]:
        made = [_made(run, make) for run in pending]
        if not any(made):
            time.sleep(PATIENCE)


def _make_all(runs: Sequence[Run], make: Callable[[Run], None]) -> None:
    pending = [run for run in runs if run.record() is None]
    while pending:
        others = [run for run in pending if not _made(run, make)]
        if len(others) == len(pending):
            time.sleep(PATIENCE)
        pending = others


def _made(run: Run, make: Callable[[Run], None]) -> bool:
    """Make the run unless it is finished; False when another process is at it."""
    if run.record() is not None:
        return True
    with claim(run.folder / CLAIM) as mine:
        if mine and run.record() is None:
            make(run)
        if mine:
            (run.folder / CLAIM).unlink(missing_ok=True)
        return mine


def set_aside(study: Study, runs: Sequence[Run]) -> list[str]:
    """Move finished runs that the study no longer has (their formula or settings changed) to `superseded`.

    Returns the keys of what was moved. A run that another process is making is left where it is.
    """
    wanted = {run.key for run in runs}
    moved = []
    for record in sorted((study.folder / "runs").glob(f"*/{RECORD}")):
        folder = record.parent
        if folder.name in wanted:
            continue
        goal = study.folder / "superseded" / folder.name
        goal.parent.mkdir(exist_ok=True)
        if goal.exists():
            shutil.rmtree(goal)
        folder.rename(goal)
        moved.append(folder.name)
    return moved
