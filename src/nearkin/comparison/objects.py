"""From a recipe's words to objects: losses with their parts, by name or by the import path of one's own or another library."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

from torch import nn

from nearkin.comparison.loss_parts import Checked, check_loss_list, nested_losses, pair_of
from nearkin.comparison.problems import Problems
from nearkin.comparison.signatures import check_section, schema_of
from nearkin.core import InputError, pick
from nearkin.distances import DISTANCES
from nearkin.generation import GENERATION
from nearkin.losses import LOSSES, Foreign
from nearkin.mining import MINERS

_PARTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {"distance": ("distance", DISTANCES), "mining": ("miner", MINERS)}
"""Parameters of a loss that are objects themselves: a name, or a section with a name and options."""

_TABLE: Mapping[str, Any] = {**LOSSES, **GENERATION}


def loss_class(name: object) -> Callable[..., Any]:
    """What makes the loss `name`: of the library's tables, or `package.module:Class` of one's own or another library."""
    if not isinstance(name, str):
        raise InputError(f"a loss has a name such as 'triplet' or 'package.module:Class', got {name!r}")
    if ":" not in name:
        make: Callable[..., Any] = pick("loss", _TABLE, name).make
        return make
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
    if isinstance(made, nn.Module):
        raise InputError(
            f"{path!r} names a {type(made).__name__} that is made already; name its class, so that every run makes its own"
        )
    if not callable(made):
        known = [name for name, value in vars(module).items() if inspect.isclass(value) and value.__module__ == module_name]
        raise InputError(f"the module {module_name!r} has no class {attribute!r}; it has: {', '.join(known) or 'none'}")
    return made  # type: ignore[no-any-return]


def check_loss_section(section: object, path: str, problems: Problems) -> dict[str, Any] | None:
    """A loss section with every default filled in, losses within it too; mistakes are noted in `problems` and give None."""
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
    nested = nested_losses(make)
    wanting = [] if inspect.isclass(make) else [key for key in _required(make) if key not in {*options, *nested}]
    if wanting:
        problems.add(
            f"{path}.name",
            f"{section['name']!r} is a function and asks for {' and '.join(wanting)}, which the recipe does not give. "
            "A class is expected, or a function that makes a loss from the recipe's options; if this function is the loss "
            "itself, loss(embeddings, labels), name a class whose objects are called like it",
        )
        return None
    losses = {key: _check_nested(nested[key], key, options, path, problems) for key in nested}
    parts = {
        key: _check_part(key, options[key], f"{path}.{key}", problems)
        for key in _PARTS
        if isinstance(options.get(key), Mapping) and key in inspect.signature(make).parameters
    }
    named = {key: part["name"] for key, part in parts.items() if part is not None}
    schema = schema_of(make, only=frozenset(inspect.signature(make).parameters) - frozenset(nested))
    checked = check_section(schema, {**options, **named}, path, problems, also=tuple(nested))
    if checked is None or len(problems.found) > before:
        return None
    resolved = {"name": section["name"], **losses, **checked, **{key: part for key, part in parts.items() if part}}
    with problems.gathered(path):
        build_loss(resolved)
    return resolved if len(problems.found) == before else None


def _required(make: Callable[..., Any]) -> list[str]:
    """Parameters without a default."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(make).parameters.values()
    return [each.name for each in parameters if each.default is each.empty and each.kind not in kinds]


def _check_nested(kind: str, key: str, options: Mapping[str, Any], path: str, problems: Problems) -> Checked:
    """The losses within a loss, at `key`."""
    given, here = options.get(key), f"{path}.{key}"
    if kind in ("one", "optional"):
        if given is None:
            if kind == "one":
                problems.add(path, f"{key} is missing (a loss: a name, or a section with a name)")
            return None
        return check_loss_section(given, here, problems)
    return check_loss_list(given, here, problems, check_loss_section, loss_class)


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


def losses_within(section: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The checked section of a loss, and those of the losses within it."""
    yield section
    for key, kind in nested_losses(loss_class(section["name"])).items():
        if kind == "list":
            for member in section[key]:
                yield from losses_within(pair_of(member)[0])
        elif section.get(key) is not None:
            yield from losses_within(section[key])


def build_loss(
    section: Mapping[str, Any],
    *,
    dimensions: int | None = None,
    classes: int | None = None,
    seed: int | None = None,
    anyway: bool = False,
) -> Any:
    """The loss of a checked section, with the losses within it, its distance and its mining.

    What data decide is filled in wherever a part has such a parameter and was not given one (`anyway`: also where it
    was): `dimensions` of the embeddings, `classes` to train on, `seed` of first centres and classifiers. A loss of one's
    own or of another library may be anything that answers `loss(embeddings, labels)`: it is given the library's face.
    """
    decided = {"dimensions": dimensions, "classes": classes, "seed": seed}
    make = loss_class(section["name"])
    options = {key: value for key, value in section.items() if key != "name"}

    def inner(part: Mapping[str, Any]) -> Any:
        return build_loss(part, dimensions=dimensions, classes=classes, seed=seed, anyway=anyway)

    for key, kind in nested_losses(make).items():
        if kind == "list":
            pairs = [pair_of(member) for member in options[key]]
            options[key] = [(inner(part), weight) for part, weight in pairs]
        elif options.get(key) is not None:
            options[key] = inner(options[key])
    for key, (kind, table) in _PARTS.items():
        if key in inspect.signature(make).parameters:
            options |= _part(key, options.get(key), kind, table, decided, anyway)
    loss = make(**_filled(make, options, decided, anyway))
    return loss if hasattr(loss, "measure") else Foreign(loss)


def _part(
    key: str, given: Any, kind: str, table: Mapping[str, Any], decided: Mapping[str, Any], anyway: bool
) -> dict[str, Any]:
    """The distance or miner as an object where it has options or something to fill in; else what was given."""
    section = {"name": given} if isinstance(given, str) and given in table else given
    if not isinstance(section, Mapping):
        return {}
    part = dict(section)
    make = pick(kind, table, part.pop("name"))
    filled = _filled(make, part, decided, anyway)
    return {key: make(**filled)} if filled else {}


def _filled(make: Callable[..., Any], options: Mapping[str, Any], decided: Mapping[str, Any], anyway: bool) -> dict[str, Any]:
    parameters = inspect.signature(make).parameters
    known = {key: value for key, value in decided.items() if value is not None and key in parameters}
    return {**options, **{key: value for key, value in known.items() if anyway or options.get(key) is None}}
