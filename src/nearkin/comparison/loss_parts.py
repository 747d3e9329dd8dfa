"""Losses within a loss: which parameters of a constructor are losses, and how a recipe lists several with weights."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Union, get_args, get_origin

from nearkin.comparison.problems import Problems
from nearkin.comparison.signatures import type_hints
from nearkin.core import non_negative
from nearkin.losses import OutsideLoss, RowLoss

Checked = dict[str, Any] | list[dict[str, Any]] | None
Check = Callable[[object, str, Problems], dict[str, Any] | None]


@lru_cache(maxsize=256)
def nested_losses(make: Callable[..., Any]) -> Mapping[str, str]:
    """Parameters of `make` that are losses, by their annotation: "one", "optional" (may be None) or "list" (weighted)."""
    hints = type_hints(make)
    found = {}
    for parameter in inspect.signature(make).parameters.values():
        members = _members(hints.get(parameter.name))
        if any(_is_loss(member) for member in members):
            found[parameter.name] = "one" if parameter.default is parameter.empty else "optional"
        elif any(_is_loss(inner) for member in members if get_origin(member) for inner in _inside(member)):
            found[parameter.name] = "list"
    return types.MappingProxyType(found)


def check_loss_list(
    entries: object, path: str, problems: Problems, check: Check, loss_class: Callable[[object], Callable[..., Any]]
) -> list[dict[str, Any]] | None:
    """A list of losses, each with the weight 1 where none is given; mistakes are noted in `problems`.

    An entry is a loss's name, its section with `weight` beside its options, or `{loss: section, weight: number}`, which is
    needed where the loss has a weight of its own.
    """
    if not isinstance(entries, list) or not entries:
        problems.add(path, f"must be a list of losses, each a name or a section with a name, got {entries!r}")
        return None
    checked = [_check_entry(entry, f"{path}.{place}", problems, check, loss_class) for place, entry in enumerate(entries)]
    return [entry for entry in checked if entry is not None]


def _check_entry(
    entry: Any, path: str, problems: Problems, check: Check, loss_class: Callable[[object], Callable[..., Any]]
) -> dict[str, Any] | None:
    if isinstance(entry, str):
        entry = {"name": entry}
    if not isinstance(entry, Mapping):
        problems.add(path, f"must be a loss's name or a section with a name, got {entry!r}")
        return None
    outside = "loss" in entry and "name" not in entry
    if outside:
        for key in entry:
            if key not in ("loss", "weight"):
                problems.unknown_key(path, str(key), ("loss", "weight"))
        section: object = entry["loss"]
    else:
        section = {key: value for key, value in entry.items() if key != "weight"}
    loss = check(section, f"{path}.loss" if outside else path, problems)
    weight: Any = None
    with problems.gathered(path):
        weight = non_negative("weight", entry.get("weight", 1.0))
    if loss is None or weight is None:
        return None
    has_weight = "weight" in inspect.signature(loss_class(loss["name"])).parameters
    if has_weight and not outside and "weight" in entry:
        name = loss["name"]
        problems.add(
            path, f"{name!r} has a weight of its own; write {{loss: {{name: {name}, weight: ...}}, weight: ...}} to say which"
        )
        return None
    return {"loss": loss, "weight": weight} if has_weight else {**loss, "weight": weight}


def pair_of(entry: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
    """The loss section and the weight of a checked entry of a list."""
    if "name" not in entry:
        return dict(entry["loss"]), float(entry["weight"])
    return {key: value for key, value in entry.items() if key != "weight"}, float(entry["weight"])


def _is_loss(annotation: Any) -> bool:
    return inspect.isclass(annotation) and issubclass(annotation, RowLoss | OutsideLoss)


def _members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; anything else alone."""
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _inside(annotation: Any) -> list[Any]:
    """What a list is made of, members of unions one by one."""
    return [member for argument in get_args(annotation) for member in _members(argument)]
