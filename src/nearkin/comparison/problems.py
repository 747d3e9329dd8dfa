"""Everything that is wrong with a recipe, said at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from nearkin.core import InputError, suggestion


class RecipeError(InputError):
    """A recipe with mistakes; `problems` lists them, each with the path of its key."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.problems = problems
        if len(problems) == 1:
            super().__init__(f"{source}: {problems[0]}")
        else:
            super().__init__("\n  ".join([f"{source} has {len(problems)} mistakes:", *problems]))


class Problems:
    """Collects mistakes while a recipe is read; `stop` raises them together."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, path: str, text: str) -> None:
        """Note that what stands at `path` is wrong."""
        self.found.append(f"{path}: {text}" if path else text)

    def unknown_key(self, path: str, key: str, known: Iterable[str]) -> None:
        """Note a key that is not one of `known`, with the nearest right one."""
        known = list(known)
        near = suggestion(key, known) or f"; known: {', '.join(known)}"
        self.add(path, f"unknown key {key!r}{near}")

    @contextmanager
    def gathered(self, path: str) -> Iterator[None]:
        """Note an InputError raised inside instead of letting it through."""
        try:
            yield
        except RecipeError as error:
            self.found.extend(error.problems)
        except InputError as error:
            self.add(path, str(error))

    def stop(self, source: str) -> None:
        """Raise what was found, if anything was."""
        if self.found:
            raise RecipeError(source, list(dict.fromkeys(self.found)))

