"""The settings of a next trial, suggested by Optuna's tree-structured Parzen estimator from the trials before it.

A suggestion is a function of the search space, the finished trials in their order and a seed, and of nothing else: no state is
kept between two of them. So it does not matter which process asks, or how often the study was interrupted.

Source: Bergstra, Bardenet, Bengio and Kegl, "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011, section 4; in Optuna
with the settings of a trial modelled together (`multivariate`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType
from typing import Any

from nearkin.comparison.design import canonical
from nearkin.comparison.yaml_text import parse_yaml
from nearkin.core import need

FAILED = -1.0
"""The score of a trial whose training broke off: below every score there is."""

Finished = tuple[Mapping[str, Any], float]
"""A trial's settings by search key, and its validation score."""


def optuna() -> ModuleType:
    """The package, or a MissingExtra that names the extra."""
    return need("optuna", extra="tune", purpose="tuning by sampler: tpe")


def suggestion(space: Mapping[str, Any], finished: Sequence[Finished], seed: int) -> dict[str, Any]:
    """A value for every key of `space`; trials whose settings lie outside the space teach nothing.

    space:     key -> list of values, or {low, high, log}; numbers of a range have six digits
    finished:  in the order of their numbers; the score is maximised
    """
    history = tuple((canonical(dict(values)), score) for values, score in finished)
    return dict(_suggestion(canonical(dict(space)), history, seed))


@lru_cache(maxsize=4096)
def _suggestion(space_text: str, history: tuple[tuple[str, float], ...], seed: int) -> dict[str, Any]:
    space, package = parse_yaml(space_text), optuna()
    kinds = distributions(space)
    sampler = package.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=1, multivariate=True)
    with quiet(package):
        study = package.create_study(direction="maximize", sampler=sampler)
        for values, score in history:
            told = as_told(space, parse_yaml(values))
            if told is not None:
                study.add_trial(package.trial.create_trial(params=told, distributions=kinds, value=score))
        asked = study.ask(kinds).params
    return {key: _said(space[key], asked[key]) for key in space}


def distributions(space: Mapping[str, Any]) -> dict[str, Any]:
    """Optuna's distribution of every key; the values of a list are named by their JSON text."""
    kinds = optuna().distributions
    return {
        key: kinds.FloatDistribution(float(values["low"]), float(values["high"]), log=bool(values.get("log")))
        if isinstance(values, Mapping)
        else kinds.CategoricalDistribution(list(dict.fromkeys(map(canonical, values))))
        for key, values in space.items()
    }


def as_told(space: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any] | None:
    """A trial's settings as Optuna knows them; None where one of them lies outside the space."""
    told: dict[str, Any] = {}
    for key, allowed in space.items():
        if key not in values:
            return None
        value = values[key]
        if isinstance(allowed, Mapping):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not allowed["low"] <= value <= allowed["high"]:
                return None
            told[key] = float(value)
        else:
            told[key] = canonical(value)
            if told[key] not in map(canonical, allowed):
                return None
    return told


def _said(allowed: Any, told: Any) -> Any:
    """Optuna's value as a recipe says it."""
    if not isinstance(allowed, Mapping):
        return next(value for value in allowed if canonical(value) == told)
    return min(max(float(f"{told:.6g}"), float(allowed["low"])), float(allowed["high"]))


@contextmanager
def quiet(package: ModuleType) -> Iterator[None]:
    """Without the log lines and the warnings about experimental parts that Optuna writes."""
    before = package.logging.get_verbosity()
    package.logging.set_verbosity(package.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        package.logging.set_verbosity(before)
