"""`search:` says which settings of a method are searched for, and between what."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from nearkin.comparison.fitting import check_estimator_section
from nearkin.comparison.objects import check_loss_section
from nearkin.comparison.overrides import put
from nearkin.comparison.own_settings import check_own_network, check_own_training
from nearkin.comparison.problems import Problems


def check_search(
    entry: Mapping[str, Any], own: Mapping[str, Any], tuning: Mapping[str, Any], path: str, problems: Problems
) -> dict[str, Any]:
    """What is searched for this method: the recipe's `tuning.search` and its own `search`.

    Both ends of every range and its middle are tried on the method's own settings now, so that a wrong one is found before any
    trial. What is drawn from a range is no whole number: where only those are right, they are given as a list.
    """
    given = entry.get("search")
    common = {key: values for key, values in tuning.get("search", {}).items() if _concerns(entry, str(key))}
    space = {**common, **(given if isinstance(given, Mapping) else {})}
    if tuning and not space:
        problems.add(path, "has nothing to search although the recipe has tuning:; give it search: or give tuning.search")
    for key, values in space.items() if tuning else ():
        for value in _ends(key, values, path, problems):
            _try(entry, own, str(key), value, f"{path}.search", problems)
    return space


def _concerns(entry: Mapping[str, Any], key: str) -> bool:
    """Whether a key that is searched for every method is one of this method: without a loss nothing is trained."""
    return entry.get("loss") is not None or key.startswith("estimator.")


def _try(
    entry: Mapping[str, Any], own: Mapping[str, Any], key: str, value: Any, path: str, problems: Problems
) -> None:
    parts = {part: entry[part] for part in ("loss", "estimator") if entry.get(part) is not None}
    trial: dict[str, Any] = {part: {"name": given} if isinstance(given, str) else deepcopy(dict(given)) for part, given in parts.items()}
    if "loss" in parts:
        trial |= {part: dict(section) for part, section in own.items()}
    allowed = tuple(trial)
    with problems.gathered(path):
        put(trial, key.split("."), value, key)
    if set(trial) - set(allowed):
        problems.add(path, f"{key!r} is no setting of a method like this; one begins with {' or '.join(allowed)}")
    for part, check in _CHECKS.items():
        if part in allowed:
            check(trial[part], f"{path}: {part}", problems)


def _ends(key: str, values: Any, path: str, problems: Problems) -> list[Any]:
    if isinstance(values, list) and values:
        return values
    if isinstance(values, Mapping) and {"low", "high"} <= set(values) <= {"low", "high", "log"}:
        low, high = values["low"], values["high"]
        numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
        if numbers and low < high and (low > 0 or not values.get("log")):
            return [low, high, low + 0.4619 * (high - low)]
    problems.add(f"{path}.search.{key}", f"must be a list of values or {{low, high, log: true|false}}, got {values!r}")
    return []


_CHECKS = {
    "loss": check_loss_section,
    "estimator": check_estimator_section,
    "network": check_own_network,
    "training": check_own_training,
}
"""What checks each part of a method."""
