"""The few settings of network, training and evaluation that a method may have of its own. All others are the same for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nearkin.comparison.problems import Problems
from nearkin.comparison.signatures import check_section, schema_of
from nearkin.networks import Network
from nearkin.training import TrainingPlan

NETWORK_KEYS = ("normalize",)
OPTIMISER_KEYS = ("learning_rate", "loss_learning_rate", "weight_decay")
"""How steps are taken; never how many, or on which batches."""


def check_own_network(section: object, path: str, problems: Problems) -> dict[str, Any]:
    """A method's own part of `network`."""
    return _check(Network, NETWORK_KEYS, section, path, problems)


def check_own_training(section: object, path: str, problems: Problems) -> dict[str, Any]:
    """A method's own part of `training`."""
    return _check(TrainingPlan, OPTIMISER_KEYS, section, path, problems)


def check_own_evaluation(section: object, path: str, problems: Problems) -> dict[str, Any]:
    """A method's own part of `evaluation`."""
    return _check(_evaluation, ("distance",), section, path, problems)


def _evaluation(distance: str) -> None:
    """By which distance the method's embeddings are searched."""


def _check(
    make: Callable[..., Any], keys: tuple[str, ...], section: object, path: str, problems: Problems
) -> dict[str, Any]:
    """The keys of `section` that were given, checked by the signature of `make`; what was not given has no default."""
    if section is None:
        return {}
    present = frozenset(key for key in keys if isinstance(section, Mapping) and key in section)
    if isinstance(section, Mapping):
        for key in section:
            if key not in keys:
                problems.add(path, f"{str(key)!r} is the same for every method; a method's own are: {', '.join(keys)}")
        section = {key: section[key] for key in present}
    return check_section(schema_of(make, only=present), section, path, problems) or {}
