"""Settings found by a seeded random search on validation images, with equally many trials for every method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nearkin.comparison.overrides import put
from nearkin.comparison.planning import make_run, trial_seed
from nearkin.comparison.recipe import Method
from nearkin.comparison.runs import Run
from nearkin.comparison.study import Study
from nearkin.core import derived_seed


def trials(study: Study) -> list[Run]:
    """Every trial of a tuned study: trial 0 is the recipe's own settings, the others are drawn from the search space."""
    tuning = study.recipe.tuning
    return [
        make_run(study, drawn(method, number, tuning["seed"]), protocol, trial_seed(study, protocol), trial=number)
        for number in range(tuning["trials"] if tuning else 0)
        for protocol in study.recipe.protocols
        for method in study.recipe.methods
    ]


def drawn(method: Method, number: int, seed: int) -> Method:
    """The method with the settings of trial `number`. Methods that search the same key draw the same values."""
    if number == 0:
        return method
    parts: dict[str, Any] = {part: dict(getattr(method, part)) for part in ("loss", "network", "training")}
    for key, space in method.search.items():
        rng = np.random.default_rng(derived_seed(seed, "trial", number, key))
        put(parts, key.split("."), _value(space, rng), key)
    return replace(method, **parts)


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
