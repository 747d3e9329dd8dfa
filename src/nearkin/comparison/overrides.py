"""Settings changed on the command line: `training.steps=200`, `methods.triplet.loss.margin=0.3`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from nearkin.comparison.yaml_text import parse_yaml
from nearkin.core import InputError, suggestion


def apply_overrides(recipe: dict[str, Any], changes: Iterable[str]) -> dict[str, Any]:
    """`recipe` with every `key.path=value` of `changes` put in; the value is read as YAML.

    A step of the path is a key, or for a list the number of an entry or the `name` of one. Missing sections are made, so
    that a default can be changed too; whether the last key exists is for the recipe's own check to say.

    >>> apply_overrides({"methods": [{"name": "a", "loss": {"name": "triplet"}}]}, ["methods.a.loss.margin=1e-1"])
    {'methods': [{'name': 'a', 'loss': {'name': 'triplet', 'margin': 0.1}}]}
    """
    changed = deepcopy(recipe)
    for change in changes:
        path, equals, text = change.partition("=")
        steps = path.strip().split(".")
        if not equals or not all(steps):
            raise InputError(f"a change of the recipe is written key.path=value, got {change!r}")
        put(changed, steps, parse_yaml(text, source=f"the value of {path}"), path)
    return changed


def put(section: Any, steps: list[str], value: object, path: str) -> None:
    """Set the value at the end of `steps` in a section, in place; `path` is how messages call it.

    Errors:  InputError where a step leads nowhere
    """
    for step in steps[:-1]:
        section = _enter(section, step, path)
    last = steps[-1]
    if isinstance(section, list):
        section[_position(section, last, path)] = value
    elif isinstance(section, dict):
        section[last] = value
    else:
        raise InputError(f"{path}: {last!r} lies below {section!r}, which has no keys")


def _enter(section: Any, step: str, path: str) -> Any:
    if isinstance(section, list):
        position = _position(section, step, path)
        section[position] = _opened(section[position])
        return section[position]
    if isinstance(section, dict):
        section[step] = _opened(section.get(step))
        return section[step]
    raise InputError(f"{path}: {step!r} lies below {section!r}, which has no keys")


def _opened(value: Any) -> Any:
    """A part of a recipe written short (`loss: triplet`, or nothing) as the section it stands for."""
    if value is None:
        return {}
    return {"name": value} if isinstance(value, str) else value


def _position(entries: list[Any], step: str, path: str) -> int:
    if step.isdigit() and int(step) < len(entries):
        return int(step)
    names = [entry.get("name") if isinstance(entry, dict) else entry for entry in entries]
    if step in names:
        return names.index(step)
    known = [str(name) for name in names if name is not None]
    raise InputError(f"{path}: no entry {step!r} here{suggestion(step, known)} (entries: {', '.join(known) or 'none'})")


def entered(section: Any, step: str) -> Any:
    """What stands at `step` of a section or a list; None where there is nothing."""
    if isinstance(section, list):
        names = [entry.get("name") if isinstance(entry, Mapping) else entry for entry in section]
        place = int(step) if step.isdigit() else names.index(step) if step in names else len(section)
        return section[place] if place < len(section) else None
    return section.get(step) if isinstance(section, Mapping) else None
