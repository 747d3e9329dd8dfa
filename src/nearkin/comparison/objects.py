"""From a recipe's words to objects: losses with their distance and mining, by name or by the import path of one's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from nearkin.comparison.problems import Problems
from nearkin.comparison.signatures import check_section, schema_of
from nearkin.core import InputError, pick
from nearkin.distances import DISTANCES, Euclidean
from nearkin.losses import LOSSES, Measure
from nearkin.mining import MINERS

_PARTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {"distance": ("distance", DISTANCES), "mining": ("miner", MINERS)}
"""Parameters of a loss that are objects themselves: a name, or a section with a name and options."""


def loss_class(name: object) -> Callable[..., Any]:
    """What makes the loss `name`: of the library's table, or `package.module:Class` of one's own."""
    if not isinstance(name, str):
        raise InputError(f"a loss has a name such as 'triplet' or 'package.module:Class', got {name!r}")
    if ":" not in name:
        return pick("loss", LOSSES, name).make
    return _imported(name)


def _imported(path: str) -> Callable[..., Any]:
    module_name, _, attribute = path.partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise
        raise InputError(
            f"the loss {path!r} cannot be imported: there is no module {error.name!r} beside the recipe or installed"
        ) from None
    made = getattr(module, attribute, None)
    if not callable(made):
        known = [name for name, value in vars(module).items() if inspect.isclass(value) and value.__module__ == module_name]
        raise InputError(f"the module {module_name!r} has no class {attribute!r}; it has: {', '.join(known) or 'none'}")
    return made  # type: ignore[no-any-return]


def check_loss_section(section: object, path: str, problems: Problems) -> dict[str, Any] | None:
    """A loss section with every default filled in; mistakes are noted in `problems` and give None."""
    if isinstance(section, str):
        section = {"name": section}
    if not isinstance(section, Mapping) or "name" not in section:
        problems.add(path, f"must be a loss's name or a section with a name, got {section!r}")
        return None
    before = len(problems.found)
    with problems.gathered(f"{path}.name"):
        make = loss_class(section["name"])
    if len(problems.found) > before:
        return None
    options = {str(key): value for key, value in section.items() if key != "name"}
    parts = {
        key: _check_part(key, options[key], f"{path}.{key}", problems)
        for key in _PARTS
        if isinstance(options.get(key), Mapping) and key in inspect.signature(make).parameters
    }
    named = {key: part["name"] for key, part in parts.items() if part is not None}
    checked = check_section(schema_of(make), {**options, **named}, path, problems)
    if checked is None or len(problems.found) > before:
        return None
    resolved = {"name": section["name"], **checked, **{key: part for key, part in parts.items() if part}}
    with problems.gathered(path):
        build_loss(resolved)
    return resolved if len(problems.found) == before else None


def _check_part(key: str, section: Mapping[str, Any], path: str, problems: Problems) -> dict[str, Any] | None:
    kind, table = _PARTS[key]
    if "name" not in section:
        problems.add(path, f"must be the name of a {kind} or a section with a name, got {dict(section)!r}")
        return None
    checked = None
    with problems.gathered(path):
        make = pick(kind, table, section["name"])
        options = {str(key): value for key, value in section.items() if key != "name"}
        checked = check_section(schema_of(make), options, path, problems)
    return None if checked is None else {"name": section["name"], **checked}


def build_loss(section: Mapping[str, Any]) -> Any:
    """The loss of a checked section, with its distance and its mining made where they have options.

    A loss of one's own may be any module that answers `loss(embeddings, labels)`; it is given the `measure` that training
    asks for.
    """
    options = {key: value for key, value in section.items() if key != "name"}
    for key, (kind, table) in _PARTS.items():
        if isinstance(options.get(key), Mapping):
            part = dict(options[key])
            options[key] = pick(kind, table, part.pop("name"))(**part)
    loss = loss_class(section["name"])(**options)
    return loss if hasattr(loss, "measure") else Measured(loss)


class Measured(nn.Module):
    """A loss of one's own, which knows only `loss(embeddings, labels)`, with the `measure` of the library's losses."""

    def __init__(self, loss: Callable[..., Tensor]) -> None:
        super().__init__()
        self.loss = loss
        self.distance = getattr(loss, "distance", None) or Euclidean()

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss itself."""
        return self.loss(embeddings, labels)

    def measure(self, embeddings: Tensor, labels: Tensor, *, generator: Any = None) -> Measure:
        """The loss and the mean distances of pairs; no share of active terms, which only the loss would know."""
        with torch.no_grad():
            distances = self.distance(embeddings)
            same = labels[:, None] == labels[None]
            positives = same & ~torch.eye(len(labels), dtype=torch.bool, device=same.device)
            positive, negative = float(distances[positives].mean()), float(distances[~same].mean())
        return Measure(self(embeddings, labels), None, positive, negative)
