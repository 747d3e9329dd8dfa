"""From YAML to a checked `Recipe`: every mistake is found before anything is trained, and all are said at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nearkin.comparison import schemas
from nearkin.comparison.classifying import SCORES as CLASSIFIER_SCORES
from nearkin.comparison.few_shot import SCORES as FEW_SHOT_SCORES
from nearkin.comparison.figures import check_figures
from nearkin.comparison.grid import expand_grid
from nearkin.comparison.method_reading import check_methods
from nearkin.comparison.network_schema import check_network
from nearkin.comparison.objects import loss_class
from nearkin.comparison.overrides import apply_overrides
from nearkin.comparison.problems import Problems
from nearkin.comparison.recipe import FEATURES, PIXELS, UNTRAINED, Recipe
from nearkin.comparison.shelf import recipe_text
from nearkin.comparison.yaml_text import parse_yaml
from nearkin.core import InputError, suggestion
from nearkin.data.protocols import FEW_SHOT


def read_recipe(source: str | Path, changes: Iterable[str] = ()) -> Recipe:
    """The checked recipe of a file or of a packaged name, with `changes` (`key.path=value`) made before it is checked.

    Errors:  RecipeError (an InputError) with every mistake: unknown keys and names with the nearest right one, values
             of a wrong type or out of range, settings that a constructor refuses
    """
    text, where = recipe_text(source)
    section = parse_yaml(text, source=where)
    if not isinstance(section, Mapping):
        raise InputError(f"{where} must be a recipe with keys such as data and methods, got {section!r}")
    named = {"name": Path(source).stem, **{str(key): part for key, part in section.items()}}
    return check_recipe(apply_overrides(named, changes), source=where)


def check_recipe(section: Mapping[str, Any], *, source: str = "the recipe") -> Recipe:
    """The `Recipe` of a section read from YAML; RecipeError with every mistake in it."""
    problems = Problems()
    for key in section:
        if key not in schemas.TOP_KEYS:
            problems.unknown_key("", key, schemas.TOP_KEYS)
    training = schemas.check_training(section.get("training"), problems) or {}
    evaluation = schemas.check_evaluation(section.get("evaluation"), problems) or {}
    tuning = schemas.check_tuning(section.get("tuning"), problems) or {}
    entries = [*_entries(section, problems), *expand_grid(section.get("grid"), problems)]
    recipe = Recipe(
        name=_text(section, "name", "study", problems),
        description=_text(section, "description", "", problems),
        data=schemas.check_data(section.get("data"), problems) or {},
        split=schemas.check_split(section.get("split"), problems) or {},
        protocols=tuple(schemas.check_protocols(section.get("protocols"), problems) or ()),
        network=check_network(section.get("network"), problems) or {},
        training=training,
        evaluation=evaluation,
        methods=tuple(check_methods(entries, training, evaluation, tuning, problems)),
        baseline=_text(section, "baseline", UNTRAINED, problems),
        primary=_text(section, "primary", "map@r", problems),
        seeds=tuple(schemas.check_seeds(section.get("seeds", 5), problems) or ()),
        tuning=tuning,
        figures=tuple(check_figures(section.get("figures"), problems) or ()),
    )
    _check_choices(recipe, problems)
    problems.stop(source)
    return recipe


def _entries(section: Mapping[str, Any], problems: Problems) -> list[Any]:
    entries = section.get("methods", [])
    if not isinstance(entries, list):
        problems.add("methods", f"must be a list, got {entries!r}")
        return []
    return entries


def _text(section: Mapping[str, Any], key: str, default: str, problems: Problems) -> str:
    value = section.get(key, default)
    if not isinstance(value, str) or (key != "description" and not value.strip()):
        problems.add(key, f"must be text, got {value!r}")
        return default
    return value


def _check_choices(recipe: Recipe, problems: Problems) -> None:
    """The baseline must be a row of the table, the scores that decide must be among those that are measured."""
    if not problems.found:
        rows = [method.name for method in recipe.rows(pixels=True)]
        if recipe.baseline not in rows:
            near = suggestion(recipe.baseline, rows)
            problems.add("baseline", f"must be a row of the table ({', '.join(rows)}), got {recipe.baseline!r}{near}")
    if recipe.frozen and recipe.training.get("augmentation"):
        problems.add("training.augmentation", "changes images, and a head on a frozen backbone sees their features only: leave it out")
    if recipe.frozen and recipe.training.get("turned_classes"):
        problems.add("training.turned_classes", "turns images, and a head on a frozen backbone sees their features only: leave it out")
    staged = [recipe.training, *(method.training for method in recipe.methods)]
    if any(part.get("unfreeze") for part in staged) and (recipe.frozen or "backbone" not in recipe.network):
        problems.add("training.unfreeze", "is for a backbone that is trained after its head: it needs network.backbone with frozen: false")
    if recipe.evaluation.get("episodes") and FEW_SHOT in recipe.protocols:
        problems.add("evaluation.episodes", f"are drawn among test images; {FEW_SHOT} asks few of each class, and all classes at once")
    names = schemas.score_names(recipe.evaluation) if recipe.evaluation else ()
    trained = [method for method in recipe.methods if method.loss]
    if any(callable(getattr(loss_class(method.loss["name"]), "classify", None)) for method in trained):
        names = (*names, *CLASSIFIER_SCORES) if names else ()
    names = (*names, *FEW_SHOT_SCORES) if names and FEW_SHOT in recipe.protocols else names
    for key, value in (("primary", recipe.primary), ("tuning.metric", recipe.tuning.get("metric"))):
        if names and value is not None and value not in names:
            problems.add(key, f"must be one of {', '.join(names)}, got {value!r}{suggestion(value, names)}")
        for method in recipe.methods:
            if method.estimator and value in CLASSIFIER_SCORES:
                problems.add(f"methods.{method.name}.estimator", f"has no {value}, which {key} asks for: no classifier reads its rows")


__all__ = ["FEATURES", "PIXELS", "UNTRAINED", "check_recipe", "read_recipe"]
