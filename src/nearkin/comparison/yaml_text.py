"""Recipes as text: YAML read as a person means it.

PyYAML reads YAML 1.1: `1e-3` is text, `no` is False, `012` is ten and a key given twice is taken silently. Here a number
is what YAML 1.2 calls a number, only `true` and `false` are flags, everything else is text, and a key given twice is an
error that names its line.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from nearkin.core import InputError


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2's core schema and without dates, merges of numbers or double keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[object, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, Hashable):
                raise InputError(f"line {line}: a key must be a word or a number, got {key!r}")
            if key in seen:
                raise InputError(f"line {line}: the key {key!r} was already given in line {seen[key]}")
            seen[key] = line
        return super().construct_mapping(node, deep)


_NUMBERS = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
_SCALARS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", _NUMBERS + r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.0123456789")),
)


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> object:
    text = str(loader.construct_scalar(node))
    if re.fullmatch(r"[-+]?0[0-9]+", text):
        return text  # 007 is a name, not a number
    return loader.construct_yaml_float(node)


class _Dumper(yaml.SafeDumper):
    """SafeDumper without anchors, so that a part used twice is written twice."""

    def ignore_aliases(self, data: object) -> bool:
        return True


_Loader.yaml_implicit_resolvers = {}
_Loader.add_constructor("tag:yaml.org,2002:float", _number)
for _kind, _pattern, _first in _SCALARS:
    for _side in (_Loader, _Dumper):  # the writer quotes whatever either reader of YAML would not take for text
        _side.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), _first)


def parse_yaml(text: str, *, source: str = "the recipe") -> Any:
    """The value that `text` stands for; InputError names the line of what cannot be read.

    >>> parse_yaml("{margin: 1e-3, name: no, id: 007, on: true}")
    {'margin': 0.001, 'name': 'no', 'id': '007', 'on': True}
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark is not None else ""
        raise InputError(f"{source}{place} is not YAML: {getattr(error, 'problem', None) or error}") from None
    except InputError as error:
        raise InputError(f"{source}, {error}") from None


def read_yaml(path: Path | str) -> Any:
    """`parse_yaml` of a file."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    return parse_yaml(text, source=str(path))


def to_yaml(value: object) -> str:
    """`value` as YAML which `parse_yaml` reads back to the same; keys keep their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
