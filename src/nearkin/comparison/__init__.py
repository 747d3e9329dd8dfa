"""Comparisons: recipe -> study -> runs -> results. The names are imported when they are used; recipes are text without torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nearkin.comparison.comparing import Outcome, compare
    from nearkin.comparison.problems import RecipeError
    from nearkin.comparison.progress import Listener, Silent, Step
    from nearkin.comparison.reading import check_recipe, read_recipe
    from nearkin.comparison.recipe import Method, Recipe
    from nearkin.comparison.shelf import packaged_recipes
    from nearkin.comparison.study import Study
    from nearkin.comparison.study_folder import open_study

_HOME = {
    "Listener": "progress",
    "Method": "recipe",
    "Outcome": "comparing",
    "Recipe": "recipe",
    "RecipeError": "problems",
    "Silent": "progress",
    "Step": "progress",
    "Study": "study",
    "check_recipe": "reading",
    "compare": "comparing",
    "open_study": "study_folder",
    "packaged_recipes": "shelf",
    "read_recipe": "reading",
}

__all__ = [
    "Listener",
    "Method",
    "Outcome",
    "Recipe",
    "RecipeError",
    "Silent",
    "Step",
    "Study",
    "check_recipe",
    "compare",
    "open_study",
    "packaged_recipes",
    "read_recipe",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
