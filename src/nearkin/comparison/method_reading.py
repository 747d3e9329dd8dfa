"""The entries of `methods:`, checked: a loss, and the few settings of network, training and evaluation that are a method's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nearkin.comparison.objects import build_loss, check_loss_section
from nearkin.comparison.overrides import put
from nearkin.comparison.problems import Problems
from nearkin.comparison.recipe import PIXELS, UNTRAINED, Method
from nearkin.comparison.schemas import OWN
from nearkin.comparison.signatures import check_section, schema_of
from nearkin.core import pick
from nearkin.distances import DISTANCES, Distance
from nearkin.networks import Network
from nearkin.training import TrainingPlan

_KEYS = ("name", "description", "loss", "network", "training", "evaluation", "search")

OPTIMISER_KEYS = ("learning_rate", "weight_decay")
"""What a method may set of the training: how its steps are taken, never how many or on which batches."""


def check_methods(
    entries: list[Any],
    training: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    tuning: Mapping[str, Any],
    problems: Problems,
) -> list[Method]:
    """The methods of the entries that are right; mistakes of the others are noted in `problems`."""
    if not entries:
        problems.add("methods", "there is no method; give methods: [...] or grid: {loss: [...]}")
    methods = []
    for position, entry in enumerate(entries):
        method = _check_method(entry, position, training, evaluation, tuning, problems)
        if method is not None:
            methods.append(method)
    names = [method.name for method in methods]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            problems.add("methods", f"{names.count(name)} methods have the name {name!r}; give each its own name:")
        if name in (UNTRAINED, PIXELS):
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
    name = entry.get("name", _default_name(entry.get("loss")))
    path = f"methods.{name if isinstance(name, str) else position}"
    before = len(problems.found)
    for key in entry:
        if key not in _KEYS:
            problems.unknown_key(path, str(key), _KEYS)
    if not isinstance(name, str) or not name.strip() or any(character in name for character in "\n\r\t\0"):
        problems.add(path, f"a method's name must be one line of text, got {name!r}")
    own: dict[str, Any] = {
        "network": _own_section(Network, ("normalize",), entry.get("network"), f"{path}.network", problems),
        "training": _own_section(TrainingPlan, OPTIMISER_KEYS, entry.get("training"), f"{path}.training", problems),
    }
    loss = check_loss_section(entry.get("loss"), f"{path}.loss", problems)
    if loss is None or len(problems.found) > before:
        return None
    with problems.gathered(f"{path}.training"):
        if training:  # nothing where the recipe's own section is wrong
            TrainingPlan(**{**training, **own["training"]})
    distance = _evaluation_distance(entry.get("evaluation"), evaluation, loss, f"{path}.evaluation", problems)
    search = _search_space(entry, own, {**tuning.get("search", {}), **_mapping(entry.get("search"))}, path, tuning, problems)
    if len(problems.found) > before:
        return None
    description = str(entry.get("description") or "")
    return Method(name=name, loss=loss, evaluation={"distance": distance}, search=search, description=description, **own)


def _default_name(loss: Any) -> Any:
    name = loss.get("name") if isinstance(loss, Mapping) else loss
    return name.rpartition(":")[2] if isinstance(name, str) else name


def _own_section(make: Any, keys: tuple[str, ...], section: object, path: str, problems: Problems) -> dict[str, Any]:
    """The keys of `section` that were given, checked by the signature of `make`; a method's own part has no defaults."""
    if section is None:
        return {}
    present = frozenset(key for key in keys if isinstance(section, Mapping) and key in section)
    if isinstance(section, Mapping):
        for key in section:
            if key not in keys:
                problems.add(path, f"{str(key)!r} is the same for every method; a method's own are: {', '.join(keys)}")
        section = {key: section[key] for key in present}
    return check_section(schema_of(make, only=present), section, path, problems) or {}


def _evaluation_distance(
    section: object, evaluation: Mapping[str, Any], loss: Mapping[str, Any], path: str, problems: Problems
) -> str:
    """By which distance a method's embeddings are searched: its own part, the recipe's, or that of its loss."""
    given = _own_section(_with_distance, ("distance",), section, path, problems).get("distance")
    distance: str = given or evaluation.get("distance", OWN)
    if distance != OWN:
        with problems.gathered(path):
            pick("distance", DISTANCES, distance)
        return distance
    used = getattr(build_loss(loss), "distance", None)
    name = next((name for name, kind in DISTANCES.items() if isinstance(used, Distance) and type(used) is kind), "euclidean")
    return "cosine" if name == "inner-product" else name


def _with_distance(distance: str) -> None:
    """The key of a method's own section `evaluation`."""


def _search_space(
    entry: Mapping[str, Any],
    own: Mapping[str, Any],
    space: Mapping[str, Any],
    path: str,
    tuning: Mapping[str, Any],
    problems: Problems,
) -> dict[str, Any]:
    """What is searched for this method. Both ends of every range are tried on the method's own section now."""
    if not tuning:
        return dict(space)
    if not space:
        problems.add(path, "has nothing to search although the recipe has tuning:; give it search: or give tuning.search")
    for key, values in space.items():
        for value in _ends(key, values, path, problems):
            trial: dict[str, Any] = {"loss": {"name": entry["loss"]} if isinstance(entry["loss"], str) else dict(entry["loss"])}
            trial |= {part: dict(section) for part, section in own.items()}
            with problems.gathered(f"{path}.search"):
                put(trial, str(key).split("."), value, str(key))
                check_loss_section(trial["loss"], f"{path}.search: loss", problems)
                for part, make, keys in (("network", Network, ("normalize",)), ("training", TrainingPlan, OPTIMISER_KEYS)):
                    _own_section(make, keys, trial[part], f"{path}.search: {part}", problems)
    return dict(space)


def _ends(key: str, values: Any, path: str, problems: Problems) -> list[Any]:
    if isinstance(values, list) and values:
        return values
    if isinstance(values, Mapping) and {"low", "high"} <= set(values) <= {"low", "high", "log"}:
        low, high = values["low"], values["high"]
        numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
        if numbers and low < high and (low > 0 or not values.get("log")):
            return [low, high]
    problems.add(f"{path}.search.{key}", f"must be a list of values or {{low, high, log: true|false}}, got {values!r}")
    return []


def _mapping(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
