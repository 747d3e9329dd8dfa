"""`compare`: from a recipe to a study folder with every run, every number and the page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from nearkin.comparison.figure_files import write_figures
from nearkin.comparison.progress import Listener, Silent
from nearkin.comparison.recipe import Recipe
from nearkin.comparison.runs import Run
from nearkin.comparison.study import Study
from nearkin.comparison.study_folder import open_study, read_study_recipe
from nearkin.comparison.tables import has_tables
from nearkin.comparison.tuning import trial_count, trials
from nearkin.comparison.tuning_store import write_tuning_store
from nearkin.comparison.validation_table import write_validation_table
from nearkin.comparison.workers import work_with_others
from nearkin.comparison.working import planned_runs, set_aside, work
from nearkin.core import integer
from nearkin.data import ImageSet
from nearkin.report import Summary, summarise, write_report


@dataclass(frozen=True)
class Outcome:
    """A finished study: its facts, its page, and the runs that failed, each with its reason."""

    study: Study
    summary: Summary
    report: Path
    failed: tuple[tuple[Run, str], ...]


def compare(
    recipe: Recipe,
    folder: Path | str,
    *,
    jobs: int = 1,
    listener: Listener | None = None,
    images: ImageSet | None = None,
    command: str = "",
) -> Outcome:
    """Make every run of the study in `folder` that is not finished, then its results and its page.

    recipe:   from `read_recipe`. The folder may hold the same study, unfinished or with fewer methods and seeds
    jobs:     processes that work on it, this one alone by default. Each has its share of the processors
    listener: hears of progress
    images:   the images, where they are open already

    Errors:   InputError for a recipe, images, a split or a folder that do not fit; KeyboardInterrupt when stopped, with
              everything finished saved. The same call goes on from there and ends with the same bits
    """
    integer("jobs", jobs, minimum=1)
    listener = listener or Silent()
    study = open_study(recipe, folder, images=images, command=command)
    study.open_inputs(listener.features)
    runs = planned_runs(study)
    finished = sum(run.record() is not None for run in [*trials(study), *runs])
    listener.planned(trial_count(study.recipe) + len(runs), finished)
    if jobs == 1:
        work(study, listener)
    else:
        work_with_others(study, jobs, listener)
    return finish(study, listener)


def finish(study: Study, listener: Listener) -> Outcome:
    """Results and page of a study whose runs are made; it may have grown by another process meanwhile."""
    study = replace(study, recipe=read_study_recipe(study.folder))
    runs = planned_runs(study)
    for key in set_aside(study, runs):
        listener.note(f"run {key} was made by another formula or other settings; it lies in {study.folder / 'superseded'}")
    write_validation_table(study.folder / "validation.csv", trials(study), runs)
    write_tuning_store(study, listener, at_once=True)
    records = [(run, run.record() or {}) for run in runs]
    failed = tuple((run, str(record.get("reason"))) for run, record in records if record.get("status") == "failed")
    write_figures(study, runs)
    summary = summarise(study.folder)
    return Outcome(study, summary, write_report(summary, tables=has_tables()), failed)
