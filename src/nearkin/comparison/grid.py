"""`grid:` crosses losses with distances and any other setting into methods.

    grid: {loss: [contrastive, triplet], distance: [euclidean, snr], normalize: [true]}

is four methods, named `contrastive-euclidean`, `contrastive-snr`, ... An axis that a loss does not have (n-pair has no
margin) leaves that loss as it is; an axis that no loss of the grid has is a mistake.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from itertools import product
from typing import Any

from nearkin.comparison.objects import loss_class
from nearkin.comparison.problems import Problems

_NETWORK_KEYS = ("normalize",)


def expand_grid(grid: object, problems: Problems) -> list[dict[str, Any]]:
    """The methods of a grid as sections, not yet checked themselves."""
    if grid is None:
        return []
    if not isinstance(grid, Mapping) or "loss" not in grid:
        problems.add("grid", f"must be a section with loss: [...] and lists to cross it with, got {grid!r}")
        return []
    axes = {str(key): _as_list(value) for key, value in grid.items() if key != "loss"}
    losses = [{"name": loss} if isinstance(loss, str) else loss for loss in _as_list(grid["loss"])]
    used: set[str] = set()
    methods = [method for loss in losses for method in _methods_of(loss, axes, used, problems)]
    for key in axes:
        if methods and key not in used:
            problems.add(f"grid.{key}", "no loss of the grid has such a setting")
    return methods


def _methods_of(
    loss: Any, axes: Mapping[str, list[Any]], used: set[str], problems: Problems
) -> list[dict[str, Any]]:
    if not isinstance(loss, Mapping) or "name" not in loss:
        problems.add("grid.loss", f"must be a loss's name or a section with a name, got {loss!r}")
        return []
    before = len(problems.found)
    with problems.gathered("grid.loss"):
        parameters = inspect.signature(loss_class(loss["name"])).parameters
    if len(problems.found) > before:
        return []
    crossed = {key: values for key, values in axes.items() if key in parameters or key in _NETWORK_KEYS}
    used.update(crossed)
    return [_method(dict(loss), dict(zip(crossed, values)), crossed) for values in product(*crossed.values())]


def _method(loss: dict[str, Any], settings: dict[str, Any], axes: Mapping[str, list[Any]]) -> dict[str, Any]:
    network = {key: settings.pop(key) for key in _NETWORK_KEYS if key in settings}
    words = [_word(key, value) for key, value in (settings | network).items() if len(axes[key]) > 1 or key == "distance"]
    name = "-".join([str(loss["name"]).rpartition(":")[2], *words])
    return {"name": name, "loss": loss | settings} | ({"network": network} if network else {})


def _word(key: str, value: Any) -> str:
    """How a setting appears in a method's name."""
    if isinstance(value, Mapping):
        return str(value.get("name", value))
    if isinstance(value, bool):
        return key if value else f"not-{key}"
    return value if isinstance(value, str) else f"{key}-{value}"


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
