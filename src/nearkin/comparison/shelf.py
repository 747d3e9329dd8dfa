"""The packaged recipes, and where a recipe's text comes from. No torch here: `nearkin list recipes` reads only text."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from nearkin.comparison.yaml_text import parse_yaml
from nearkin.core import InputError, suggestion


def packaged_recipes() -> dict[str, str]:
    """Name and description of every packaged recipe."""
    folder = resources.files("nearkin.comparison") / "recipes"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return {
        name.removesuffix(".yaml"): " ".join(parse_yaml((folder / name).read_text("utf-8"))["description"].split())
        for name in names
    }


def recipe_text(source: str | Path) -> tuple[str, str]:
    """The text of a recipe and what to call it: a file, or the name of a packaged recipe.

    >>> recipe_text("quickstrat")
    Traceback (most recent call last):
    nearkin.core.errors.InputError: there is no recipe 'quickstrat'; did you mean 'quickstart'? (a file, or a name of: nearkin list recipes)
    """
    path = Path(source)
    if path.is_file():
        try:
            return path.read_text("utf-8"), str(path)
        except UnicodeDecodeError:
            raise InputError(f"the recipe {path} is not text in UTF-8") from None
    known = packaged_recipes()
    if str(source) not in known:
        raise InputError(
            f"there is no recipe {str(source)!r}{suggestion(source, known)} (a file, or a name of: nearkin list recipes)"
        )
    return (resources.files("nearkin.comparison") / "recipes" / f"{source}.yaml").read_text("utf-8"), f"recipe {source}"
