"""Settings found on validation images, with equally many trials for every method.

`random`: every trial is drawn in advance by a seed, so all trials can be made at once. `tpe`: the first quarter is drawn like
that, and each later trial follows from those of the same method and protocol before it (`suggesting`); methods and protocols
are made at once, the trials of one of them one after another.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np

from nearkin.comparison.overrides import entered, put
from nearkin.comparison.planning import make_run, trial_seed
from nearkin.comparison.recipe import Method, Recipe
from nearkin.comparison.runs import Run
from nearkin.comparison.study import Study
from nearkin.comparison.suggesting import FAILED, Finished, optuna, suggestion
from nearkin.core import derived_seed

TPE = "tpe"


def trial_count(recipe: Recipe) -> int:
    """How many trials a study has when all are made."""
    return int(recipe.tuning.get("trials", 0)) * len(recipe.methods) * len(recipe.protocols)


def trials(study: Study) -> list[Run]:
    """The trials that are settled so far, lower numbers first; trial 0 is the recipe's own settings.

    With `random` these are all. With `tpe` a trial is settled when those before it are finished, so when every run of this
    list is finished and it has `trial_count` of them, all are.
    """
    if study.recipe.tuning.get("sampler") == TPE:
        optuna()  # an extra that is missing is said before anything is trained
    chains = [chain(study, method, protocol) for protocol in study.recipe.protocols for method in study.recipe.methods]
    return sorted((run for runs in chains for run in runs), key=lambda run: run.trial or 0)


def chain(study: Study, method: Method, protocol: str) -> list[Run]:
    """The settled trials of one method under one protocol; none where the recipe has no tuning."""
    tuning = study.recipe.tuning
    if not tuning:
        return []
    seed = trial_seed(study, protocol)
    runs: list[Run] = []
    finished: list[Finished] = []
    for number in range(tuning["trials"]):
        if number < _drawn_in_advance(tuning):
            settled = drawn(method, number, tuning["seed"])
        elif len(finished) == number:
            chosen = suggestion(method.search, finished, derived_seed(tuning["seed"], "tpe", protocol, number))
            settled = with_settings(method, chosen)
        else:
            break
        runs.append(make_run(study, settled, protocol, seed, trial=number))
        if tuning.get("sampler") == TPE and len(finished) == number:
            record = runs[-1].record()
            if record is not None:
                finished.append((searched(settled, study.recipe), score_of(record)))
    return runs


def _drawn_in_advance(tuning: Mapping[str, Any]) -> int:
    """With `tpe` a quarter of the trials, at least two beside the recipe's own settings: from less nothing can be learned."""
    total: int = tuning["trials"]
    return max(3, -(-total // 4)) if tuning.get("sampler") == TPE else total


def drawn(method: Method, number: int, seed: int) -> Method:
    """The method with the settings of trial `number`. Methods that search the same key draw the same values."""
    if number == 0:
        return method
    streams = {key: np.random.default_rng(derived_seed(seed, "trial", number, key)) for key in method.search}
    return with_settings(method, {key: _value(space, streams[key]) for key, space in method.search.items()})


def with_settings(method: Method, values: Mapping[str, Any]) -> Method:
    """The method with the values of search keys such as `loss.margin` put in."""
    parts: dict[str, Any] = {
        part: deepcopy(dict(getattr(method, part))) for part in ("loss", "estimator", "network", "training")
    }
    for key, value in values.items():
        put(parts, key.split("."), value, key)
    return replace(method, **parts)


def searched(method: Method, recipe: Recipe) -> dict[str, Any]:
    """The present values of the keys that a method searches, its own or the recipe's for all; None where there is none."""
    values: dict[str, Any] = {}
    for key in method.search:
        value: Any = {
            "loss": method.loss,
            "estimator": method.estimator,
            "network": {**recipe.network, **method.network},
            "training": {**recipe.training, **method.training},
        }
        for step in key.split("."):
            value = entered(value, step)
        values[key] = value
    return values


def score_of(record: Mapping[str, Any]) -> float:
    """The validation score of a finished trial; below all others where training broke off."""
    score = record.get("validation")
    return FAILED if score is None else float(score)


def _value(space: Any, rng: np.random.Generator) -> Any:
    if not isinstance(space, Mapping):
        return space[int(rng.integers(len(space)))]
    low, high = float(space["low"]), float(space["high"])
    value = np.exp(rng.uniform(np.log(low), np.log(high))) if space.get("log") else rng.uniform(low, high)
    return float(f"{value:.6g}")


def chosen_methods(study: Study) -> dict[tuple[str, str], Method]:
    """For (method, protocol) the settings of the trial with the best validation score; of equal ones the first trial."""
    best: dict[tuple[str, str], tuple[float, Method]] = {}
    for run in trials(study):
        record = run.record() or {}
        score = record.get("validation")
        cell = run.method.name, run.protocol
        if score is not None and (cell not in best or score > best[cell][0]):
            best[cell] = score, run.method
    return {cell: method for cell, (_, method) in best.items()}
