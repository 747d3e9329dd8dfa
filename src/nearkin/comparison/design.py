"""What every run of a study has in common. A study may grow by methods and seeds; another design is another study."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nearkin.comparison.recipe import Method, Recipe
from nearkin.core import InputError, content_hash


def design_of(recipe: Recipe, *, data_hash: str, splits: Mapping[str, str]) -> dict[str, Any]:
    """The parts of a completed recipe that decide every run, with the hashes of the images and of each split."""
    return {
        "data": {**{key: value for key, value in recipe.data.items() if key != "name"}, "hash": data_hash},
        "protocols": list(recipe.protocols),
        "split": {**recipe.split, "hashes": dict(splits)},
        "network": dict(recipe.network),
        "training": dict(recipe.training),
        "evaluation": dict(recipe.evaluation),
        "primary": recipe.primary,
        "tuning": dict(recipe.tuning),
    }


def refuse_another_design(old: Mapping[str, Any], new: Mapping[str, Any], folder: object) -> None:
    """Raise an InputError that shows every difference between the study in `folder` and what is asked for."""
    before, now = dict(_leaves(old)), dict(_leaves(new))
    changed = [path for path in {**before, **now} if before.get(path, "nothing") != now.get(path, "nothing")]
    if "data.hash" in changed:
        changed = [path for path in changed if not path.startswith("split.hashes")] or changed
    if changed:
        shown = "; ".join(_shown(path, before, now) for path in changed)
        raise InputError(
            f"{folder} holds a study with another design: {shown}. A study grows by methods and seeds only; "
            "for this one give another folder with --output"
        )


def _shown(path: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if path == "data.hash":
        return "the images or their labels are not the same"
    if path.startswith("split.hashes."):
        return f"the {path.rpartition('.')[2]} split divides the images in another way"
    return f"{path} was {_words(before.get(path))}, now {_words(now.get(path))}"


def _words(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


def _leaves(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, part in value.items():
        if isinstance(part, Mapping) and part:
            yield from _leaves(part, f"{path}{key}.")
        else:
            yield f"{path}{key}", part


def grown(old: Recipe, new: Recipe, folder: object) -> Recipe:
    """The recipe with the methods and seeds of both; a method under a known name must be the known method."""
    known = {method.name: method for method in old.methods}
    for method in new.methods:
        if method.name in known and _defining(method) != _defining(known[method.name]):
            was, is_now = dict(_leaves(_defining(known[method.name]))), dict(_leaves(_defining(method)))
            changed = [path for path in {**was, **is_now} if was.get(path) != is_now.get(path)]
            raise InputError(
                f"{folder} has a method {method.name!r} with other settings: "
                f"{'; '.join(_shown(path, was, is_now) for path in changed)}. Give the new one another name"
            )
    return replace(
        new,
        methods=(*old.methods, *(method for method in new.methods if method.name not in known)),
        seeds=(*old.seeds, *(seed for seed in new.seeds if seed not in old.seeds)),
        figures=(*old.figures, *(name for name in new.figures if name not in old.figures)),
    )


def _defining(method: Method) -> dict[str, Any]:
    return {**method.settings(), **({"search": dict(method.search)} if method.search else {})}


def canonical(value: object) -> str:
    """`value` as JSON that is the same for equal values, whatever the order of keys."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def key_of(*parts: object) -> str:
    """16 hexadecimal digits that name a run by all that defines it."""
    return content_hash(*map(canonical, parts))[:16]
