"""A recipe's keys are the parameters of what they build: the schema is made from the signature.

So a parameter added to a loss can be used in a recipe at once, and a misspelt one is found before anything is trained.
Values are what YAML can say: numbers, text, flags, lists and sections. Parameters that take nothing of the kind (a
generator, a module) cannot be set in a recipe.
"""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from nearkin.comparison.problems import Problems

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "nothing (null)"}
_MISSING = object()


@lru_cache(maxsize=256)
def schema_of(make: Callable[..., Any], *, only: frozenset[str] | None = None) -> type[BaseModel]:
    """The strict schema of the keyword parameters of `make` (a class or function), or of `only` some of them."""
    hints = type_hints(make)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(make).parameters.values():
        if parameter.name == "self" or (only is not None and parameter.name not in only):
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        said = sayable(hints.get(parameter.name, Any))
        if said is not _MISSING:
            required = parameter.default is parameter.empty
            default = ... if required else _plain(parameter.default)
            fields[parameter.name] = (said, default)
    config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True, protected_namespaces=())
    name = getattr(make, "__name__", "Options")
    return create_model(name, __config__=config, **fields)


def check_section(
    schema: type[BaseModel], section: object, path: str, problems: Problems, *, also: Collection[str] = ()
) -> dict[str, Any] | None:
    """`section` with the defaults of `schema` filled in; None when something in it is wrong (noted in `problems`).

    Keys named in `also` are known to the caller: they are not checked here and not returned.
    """
    if section is None:
        section = {}
    if not isinstance(section, Mapping):
        problems.add(path, f"must be a section of keys ({', '.join(schema.model_fields)}), got {section!r}")
        return None
    own = {str(key): value for key, value in section.items() if key not in also}
    try:
        checked = schema.model_validate_json(json.dumps(own), strict=True)
    except ValidationError as error:
        _explain(error, schema, own, path, problems, also)
        return None
    return {name: _plain(getattr(checked, name)) for name in schema.model_fields}


def said(section: Mapping[str, Any], **defaults: Any) -> dict[str, Any]:
    """The section without what is as ever: settings that came later leave the names of older runs as they were."""
    return {key: value for key, value in section.items() if key not in defaults or value != defaults[key]}


def all_but(make: Callable[..., Any], *left_out: str) -> frozenset[str]:
    """The parameters of `make` without some."""
    return frozenset(inspect.signature(make).parameters) - set(left_out)


def _explain(
    error: ValidationError,
    schema: type[BaseModel],
    section: Mapping[str, Any],
    path: str,
    problems: Problems,
    also: Iterable[str],
) -> None:
    for key in dict.fromkeys(str(item["loc"][0]) for item in error.errors()):
        field = schema.model_fields.get(key)
        if field is None:
            problems.unknown_key(path, key, [*also, *schema.model_fields])
        elif key not in section:
            problems.add(path, f"{key} is missing ({described(field.annotation)})")
        else:
            problems.add(f"{path}.{key}" if path else key, f"must be {described(field.annotation)}, got {section[key]!r}")


def described(annotation: Any) -> str:
    """The values that `annotation` allows, in words.

    >>> described(int | None)
    'a whole number or nothing (null)'
    """
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(described(member) for member in get_args(annotation)))
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(repr(value) for value in get_args(annotation))
    if get_origin(annotation) in (tuple, list):
        members = [member for member in get_args(annotation) if member is not Ellipsis]
        if Ellipsis not in get_args(annotation) and get_origin(annotation) is tuple:
            return f"a list of {len(members)} ({', '.join(described(member) for member in members)})"
        return f"a list ({described(members[0])} each)" if members else "a list"
    if get_origin(annotation) is dict or annotation is dict:
        return "a section of keys"
    return _WORDS.get(annotation, "a value")


def sayable(annotation: Any) -> Any:
    """The part of `annotation` that YAML can say, or `_MISSING` when there is none."""
    if annotation in (int, float, bool, str, type(None), Any, dict, list) or get_origin(annotation) in (Literal, dict):
        return annotation
    if annotation is Path:
        return str
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        members = [sayable(member) for member in get_args(annotation)]
        members = [member for member in members if member is not _MISSING]
        return _MISSING if not members or members == [type(None)] else Union[tuple(members)]  # noqa: UP007
    if origin in (list, tuple) or (inspect.isclass(origin) and issubclass(origin, typing.Sequence)):
        members = [member if member is Ellipsis else sayable(member) for member in get_args(annotation)]
        if _MISSING in members:
            return _MISSING
        return types.GenericAlias(tuple, tuple(members) if origin is tuple else (*members, Ellipsis))
    return _MISSING


def type_hints(make: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of the parameters of `make`; none where they name what exists only for a checker."""
    target = make.__init__ if inspect.isclass(make) else make
    try:
        return typing.get_type_hints(target)
    except (NameError, AttributeError, TypeError):  # a user's own class may name types that exist only for a checker
        return {}


def _plain(value: Any) -> Any:
    """Tuples as lists, all the way down: what YAML and JSON write and read back as the same."""
    if isinstance(value, (tuple, list)):
        return [_plain(member) for member in value]
    if isinstance(value, Mapping):
        return {key: _plain(member) for key, member in value.items()}
    return value
