"""`nearkin train`: one method, one seed: a study of one run, beside the untrained network and raw pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from nearkin.cli.answers import json_option
from nearkin.cli.compare import chosen_recipe, conclude, default_folder, make_study
from nearkin.cli.options import own_images_options, study_options
from nearkin.core import InputError, need, suggestion


@click.command(no_args_is_help=True)
@click.argument("recipe", required=False)
@click.argument("changes", nargs=-1, metavar="[KEY.PATH=VALUE]...")
@click.option("--method", help="Which method of the recipe; needed where it has several.")
@own_images_options
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The seed of weights and batches.")
@study_options
@json_option
def train(
    recipe: str | None, changes: tuple[str, ...], method: str | None, seed: int, output: Path | None, jobs: int, as_json: bool, **words: Any
) -> None:
    """Train one method on real images.

    RECIPE is a file or a packaged name, as for nearkin compare; without one, --data and --loss say what to train.
    The run lies in the study's folder under runs/: weights, curves, embeddings and the records of every test image.
    """
    need("torch", extra="train", purpose="nearkin train")
    chosen, images = chosen_recipe(recipe, changes, seeds=[seed], trials=None, **words)
    names = [each.name for each in chosen.methods]
    if method is None and len(names) > 1:
        raise InputError(f"{chosen.name!r} has {len(names)} methods; choose one with --method: {'; '.join(names)}")
    if method is not None and method not in names:
        raise InputError(f"{chosen.name!r} has no method {method!r}{suggestion(method, names)}; it has: {'; '.join(names)}")
    only = next(each for each in chosen.methods if each.name == (method or names[0]))
    single = replace(chosen, methods=(only,), baseline="untrained")
    folder = output or default_folder(f"{chosen.name}-train")
    conclude(make_study(single, images, folder, jobs), as_json)
