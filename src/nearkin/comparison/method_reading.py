"""The entries of `methods:`, checked: a loss, an estimator or both, and the few settings that are a method's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nearkin.comparison.fitting import check_estimator_section
from nearkin.comparison.objects import build_loss, check_loss_section
from nearkin.comparison.own_settings import check_own_evaluation, check_own_network, check_own_training
from nearkin.comparison.problems import Problems
from nearkin.comparison.recipe import FEATURES, OWN, PIXELS, UNTRAINED, Method
from nearkin.comparison.search_space import check_search
from nearkin.core import pick
from nearkin.distances import DISTANCES, Distance
from nearkin.training import TrainingPlan

_KEYS = ("name", "description", "loss", "estimator", "network", "training", "evaluation", "search")


def check_methods(
    entries: list[Any],
    training: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    tuning: Mapping[str, Any],
    problems: Problems,
) -> list[Method]:
    """The methods of the entries that are right; mistakes of the others are noted in `problems`."""
    if not entries and not problems.found:
        problems.add("methods", "there is no method; give methods: [...] or grid: {loss: [...]}")
    methods = []
    for position, entry in enumerate(entries):
        method = _check_method(entry, position, training, evaluation, tuning, problems)
        if method is not None:
            methods.append(method)
    names = [method.name for method in methods]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            problems.add("methods", f"{names.count(name)} methods have the name {name!r}; give each its own")
        if name in (UNTRAINED, FEATURES, PIXELS):
            problems.add("methods", f"the name {name!r} belongs to a row that every table has; give the method another")
    return methods


def _check_method(
    entry: Any,
    position: int,
    training: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    tuning: Mapping[str, Any],
    problems: Problems,
) -> Method | None:
    if isinstance(entry, str):
        entry = {"loss": entry}
    if not isinstance(entry, Mapping):
        problems.add(f"methods.{position}", f"must be a loss's name or a section with loss:, got {entry!r}")
        return None
    fitted = entry.get("estimator") is not None and entry.get("loss") is None
    name = entry.get("name", _default_name(entry.get("estimator" if fitted else "loss")))
    path = f"methods.{name if isinstance(name, str) else position}"
    before = len(problems.found)
    for key in entry:
        if key not in _KEYS:
            problems.unknown_key(path, str(key), _KEYS)
    if not isinstance(name, str) or not name.strip() or any(character in name for character in "\n\r\t\0"):
        problems.add(path, f"a method's name must be one line of text, got {name!r}")
    own: dict[str, Any] = {
        "network": check_own_network(entry.get("network"), f"{path}.network", problems),
        "training": check_own_training(entry.get("training"), f"{path}.training", problems),
    }
    loss = {} if fitted else check_loss_section(entry.get("loss"), f"{path}.loss", problems)
    estimator = _estimator(entry.get("estimator"), own, fitted, path, problems)
    if loss is None or len(problems.found) > before:
        return None
    with problems.gathered(f"{path}.training"):
        if training and own["training"]:  # the recipe's own section is checked once, for all
            TrainingPlan(**{**training, **own["training"]})
    used = "euclidean" if estimator else _distance_of(loss)
    distance = _evaluation_distance(entry.get("evaluation"), evaluation, used, f"{path}.evaluation", problems)
    search = check_search(entry, own, tuning, path, problems)
    if len(problems.found) > before:
        return None
    return Method(
        name=name,
        kind="fitted" if fitted else "trained",
        loss=loss,
        estimator=estimator,
        evaluation={"distance": distance},
        search=search,
        description=str(entry.get("description") or ""),
        **own,
    )


def _estimator(
    section: object, own: Mapping[str, Any], alone: bool, path: str, problems: Problems
) -> dict[str, Any]:
    """A method's estimator; one that stands without a loss has no network and no training of its own."""
    if section is None:
        return {}
    for part in (key for key, given in own.items() if given and alone):
        problems.add(f"{path}.{part}", "the method has an estimator and no loss, so no network is trained; leave it out")
    return check_estimator_section(section, f"{path}.estimator", problems) or {}


def _default_name(loss: Any) -> Any:
    name = loss.get("name") if isinstance(loss, Mapping) else loss
    return name.rpartition(":")[2] if isinstance(name, str) else name


def _evaluation_distance(
    section: object, evaluation: Mapping[str, Any], used: str, path: str, problems: Problems
) -> str:
    """By which distance a method's embeddings are searched: its own part, the recipe's, or the one it uses itself."""
    given = check_own_evaluation(section, path, problems).get("distance")
    distance: str = given or evaluation.get("distance", OWN)
    if distance != OWN:
        with problems.gathered(path):
            pick("distance", DISTANCES, distance)
        return distance
    return used


def _distance_of(loss: Mapping[str, Any]) -> str:
    """The name of the distance that a loss uses."""
    used = getattr(build_loss(loss), "distance", None)
    name = next((name for name, kind in DISTANCES.items() if isinstance(used, Distance) and type(used) is kind), "euclidean")
    return "cosine" if name == "inner-product" else name
