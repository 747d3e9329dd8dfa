"""`nearkin train`: one method, one seed: a study of one run beside the untrained network, and a model that is ready to use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nearkin.cli.answers import json_option
from nearkin.cli.compare import chosen_recipe, conclude, default_folder, make_study
from nearkin.cli.export import model_in_words
from nearkin.cli.options import own_images_options, study_options
from nearkin.core import InputError, need, suggestion

if TYPE_CHECKING:
    from nearkin.comparison import Outcome, Recipe

DEFAULT_LOSS = "multi-similarity"
"""The loss of `nearkin train FOLDER`: best or next to it among five on small sets of four kinds (docs: models)."""


def backbone_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options for a pretrained network under the embedding."""
    weights = click.option("--weights", metavar="FILE", help="Its weights: a .safetensors file; default: the published ones.")
    name = click.option("--backbone", metavar="NAME", help="A pretrained network (nearkin list backbones): a head on its features is trained.")
    return name(weights(command))


@click.command(no_args_is_help=True)
@click.argument("recipe", required=False, metavar="[FOLDER|RECIPE]")
@click.argument("changes", nargs=-1, metavar="[KEY.PATH=VALUE]...")
@click.option("--method", help="Which method of the recipe; needed where it has several.")
@own_images_options
@backbone_options
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The seed of weights and batches.")
@study_options
@json_option
def train(
    recipe: str | None, changes: tuple[str, ...], method: str | None, backbone: str | None, weights: str | None, seed: int,
    output: Path | None, jobs: int, as_json: bool, **words: Any,
) -> None:  # fmt: skip
    """Train an embedding on real images, and keep it as a model that is ready to use.

    FOLDER has one folder a class (or is a zip of one, or a CSV); everything else has a default that fits the images. RECIPE is
    a file or a packaged name, as for nearkin compare.

    The run lies in the study's folder under runs/: weights, curves, embeddings and the records of every test image; the model
    lies beside it in model/, exported so that it answers without torch where the extra `export` is installed.

    \b
        nearkin train photos/
        nearkin train photos/ --backbone mobilenet_v2 --steps 1000
    """
    need("torch", extra="train", purpose="nearkin train")
    recipe = _source_or_recipe(recipe, words)
    if words["source"] and recipe is None:
        words["losses"] = words["losses"] or [DEFAULT_LOSS]
    changes = (*_of_backbone(backbone, weights, recipe, words), *changes)
    chosen, images = chosen_recipe(recipe, changes, seeds=[seed], trials=None, **words)
    single = _one_method(chosen, method)
    outcome = make_study(single, images, output or default_folder(f"{chosen.name}-train"), jobs)
    conclude(outcome, as_json, *_model(outcome))


def _model(outcome: Outcome) -> tuple[dict[str, Any], str]:
    """The model of the study's one run, for a program and in words; nothing where the run failed."""
    from nearkin.comparison.beside_training import descriptor_score
    from nearkin.comparison.model_folder import keep_model, run_to_keep

    study = outcome.study
    run = run_to_keep(study)
    if run is None:
        return {}, ""
    kept, untrained = keep_model(study, run), descriptor_score(study, run.protocol)
    words = model_in_words(kept)
    if untrained is not None:
        words = f"{_beside(study.recipe.primary, (run.record() or {})['scores'], untrained)}\n{words}"
    return {"model": {**kept.as_dict(), "descriptor": untrained}}, words


def _beside(primary: str, scores: dict[str, float], untrained: float) -> str:
    """Whether the training was worth it."""
    found = scores[primary]
    words = f"{primary} on the test images: {found:.3f}; of the descriptor, which needs no training: {untrained:.3f}"
    if untrained < found:
        return words
    return f"! {words}. More images, more --steps, or a pretrained --backbone may help; else use the descriptor"


def _source_or_recipe(recipe: str | None, words: dict[str, Any]) -> str | None:
    """The first word is images where it names a folder, a zip, a CSV or a data set and no recipe; then it becomes --data."""
    if recipe is None or words["source"]:
        return recipe
    from nearkin.comparison import packaged_recipes
    from nearkin.data import CATALOGUE

    place = Path(recipe)
    if place.is_dir() or place.suffix.casefold() in (".zip", ".csv") or (recipe in CATALOGUE and recipe not in packaged_recipes()):
        words["source"] = recipe
        return None
    return recipe


def _of_backbone(backbone: str | None, weights: str | None, recipe: str | None, words: dict[str, Any]) -> tuple[str, ...]:
    """The changes that put a head on a frozen backbone in the place of the default network."""
    if backbone is None:
        if weights is not None:
            raise InputError("--weights are those of a backbone; name it with --backbone (nearkin list backbones)")
        return ()
    if recipe is not None:
        raise InputError(f"--backbone goes with a folder of images; the recipe {recipe!r} names its network itself")
    from nearkin.comparison.yaml_text import to_yaml
    from nearkin.networks.architectures import find_architecture

    words["size"] = words["size"] or find_architecture(backbone).transform().size
    section = {"name": backbone, "weights": weights or "pretrained"}
    return (f"network={to_yaml({'embedding_size': 64, 'backbone': section})}",)


def _one_method(chosen: Recipe, method: str | None) -> Recipe:
    names = [each.name for each in chosen.methods]
    if method is None and len(names) > 1:
        raise InputError(f"{chosen.name!r} has {len(names)} methods; choose one with --method: {'; '.join(names)}")
    if method is not None and method not in names:
        raise InputError(f"{chosen.name!r} has no method {method!r}{suggestion(method, names)}; it has: {'; '.join(names)}")
    only = next(each for each in chosen.methods if each.name == (method or names[0]))
    return replace(chosen, methods=(only,), baseline="untrained")
