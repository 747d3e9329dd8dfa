"""Fields of JSON and CSV files, read with words for what is missing or wrong; every fault names its file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from nearkin.core import InputError

T = TypeVar("T")

SCHEMA = 1


@dataclass(frozen=True)
class Fields:
    """A JSON object and where it came from; `take` answers a field or says what is wrong with it."""

    source: Path
    values: Mapping[str, Any]

    def take(self, name: str, kind: type[T] | tuple[type[T], ...]) -> T:
        """The field `name`, of the given kind."""
        if name not in self.values:
            raise InputError(f"{self.source} has no field {name!r}; it was not written by nearkin, or only in part")
        value = self.values[name]
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(each.__name__ for each in kinds)
            raise InputError(f"{self.source}: field {name!r} must be {wanted}, got {value!r}")
        return value

    def maybe(self, name: str, kind: type[T] | tuple[type[T], ...], default: T) -> T:
        """The field `name`, or `default` where it is absent or null."""
        return default if self.values.get(name) is None else self.take(name, kind)

    def inside(self, name: str) -> Fields:
        """The object that the field `name` holds."""
        return Fields(self.source, self.take(name, dict))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        values = self.take(name, list)
        if not all(isinstance(value, str) for value in values):
            raise InputError(f"{self.source}: field {name!r} must be a list of texts, got {values!r}")
        return tuple(values)

    def integers(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        values = self.take(name, list)
        if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            raise InputError(f"{self.source}: field {name!r} must be a list of whole numbers")
        return tuple(values)


def read_fields(path: Path) -> Fields:
    """One JSON object from a file, its schema checked."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing; a study folder is what `nearkin compare` writes") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold a JSON object, got {type(values).__name__}")
    fields = Fields(path, values)
    schema = fields.maybe("schema", int, SCHEMA)
    if schema > SCHEMA:
        raise InputError(
            f"{path} has schema {schema}, newer than this nearkin reads ({SCHEMA}); install a newer nearkin"
        )
    return fields


def read_rows(path: Path) -> Iterator[list[str]]:
    """The rows of a CSV file, header first, all text literal; a row of another length than the header is refused."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            width = None
            for number, row in enumerate(csv.reader(file, strict=True), 1):
                width = len(row) if width is None else width
                if len(row) != width:
                    raise InputError(
                        f"{path}, row {number}: {len(row)} cells where the header has {width}; the file is damaged"
                    )
                yield row
    except FileNotFoundError:
        raise InputError(f"{path} is missing; delete {path.parent} and run the study again to write it") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
