"""`nearkin compare`: train several methods under one protocol, and say which is best and whether that is real."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nearkin.cli.answers import OWN_IMAGES, json_option, print_json
from nearkin.cli.live import LiveProgress
from nearkin.cli.options import Seeds, own_images_options, study_options
from nearkin.cli.plan_words import plan_in_words
from nearkin.core import InputError, need

if TYPE_CHECKING:
    from nearkin.comparison import Outcome, Recipe
    from nearkin.data import ImageSet

@click.command(no_args_is_help=True)
@click.argument("recipe", required=False)
@click.argument("changes", nargs=-1, metavar="[KEY.PATH=VALUE]...")
@own_images_options
@click.option("--seeds", type=Seeds(), help="How many seeds, or a list such as 0,4,7.")
@click.option("--trials", type=click.IntRange(min=1), help="Tune: trials of settings for every method, on validation images.")
@study_options
@click.option("--plan", is_flag=True, help="Train nothing; say what would be done, how long it takes and what it can see.")
@json_option
def compare(recipe: str | None, changes: tuple[str, ...], output: Path | None, jobs: int, plan: bool, as_json: bool, **words: Any) -> None:
    """Compare metric-learning methods on real images.

    RECIPE is a YAML file or the name of a packaged recipe (nearkin list recipes); KEY.PATH=VALUE changes a setting of it,
    as in training.steps=200 or methods.triplet.loss.margin=0.3. Without a recipe, --data and --loss say what to compare,
    and a recipe is written into the study's folder.

    The same command goes on with a study that was stopped, and adds methods and seeds to a finished one.
    """
    need("torch", extra="train", purpose="nearkin compare")
    chosen, images = chosen_recipe(recipe, changes, **words)
    folder = output or default_folder(chosen.name)
    if plan:
        from nearkin.comparison.forecast import forecast

        with redirect_stdout(sys.stderr):
            found = forecast(chosen, images)
        print_json(found.as_dict()) if as_json else click.echo(plan_in_words(found, jobs))
        return
    conclude(make_study(chosen, images, folder, jobs), as_json)


def chosen_recipe(recipe: str | None, changes: tuple[str, ...], **words: Any) -> tuple[Recipe, ImageSet | None]:
    """The recipe that was asked for, by name or by words; with the images where they were opened on the way."""
    from nearkin.comparison import check_recipe, read_recipe
    from nearkin.comparison.from_images import recipe_from_images

    if recipe is not None and "=" in recipe and not Path(recipe).exists():
        changes, recipe = (recipe, *changes), None
    seeds, trials = words.pop("seeds"), words.pop("trials")
    if seeds is not None:
        changes = (*changes, f"seeds={seeds}")
    if trials is not None:
        changes = (*changes, f"tuning.trials={trials}")
    if recipe is not None:
        sys.path[:0] = [str(Path(recipe).resolve().parent), str(Path.cwd())]  # where a loss of one's own may lie
        return read_recipe(recipe, (*changes, *_as_changes(recipe, words))), None
    if not words["source"] or not words["losses"]:
        raise InputError(f"name a recipe (nearkin list recipes), or say what to compare: {OWN_IMAGES}")
    if trials is not None:
        changes = (*changes, "tuning.search={training.learning_rate: {low: 1e-4, high: 1e-2, log: true}}")
    name = Path(words["source"]).resolve().stem or "study"
    given = {key: value for key, value in words.items() if value is not None}
    section, images = recipe_from_images(**given, name=name, changes=changes)
    return check_recipe(section, source="the recipe of these options"), images


def default_folder(name: str) -> Path:
    """Where a study lies when --output does not say: a folder of its name in runs/, and nowhere else."""
    if Path(name).name != name or name == ".." or "\\" in name:
        raise InputError(f"the name {name!r} cannot be that of a folder in runs/; give another, or a folder with --output")
    return Path("runs") / name


def _as_changes(recipe: str, words: dict[str, Any]) -> list[str]:
    """The options that change a recipe; the others stand for one and cannot be had beside it."""
    keys = {"source": "data.name", "steps": "training.steps", "size": "data.size", "skip_bad": "data.skip_bad", "protocols": "protocols"}
    for option, given in (("--loss", words["losses"]), ("--distance", words["distances"]), ("--mining", words["mining"])):
        if given:
            raise InputError(f"{option} says what to compare without a recipe; {recipe!r} names its methods itself")
    given = {key: words[name] for name, key in keys.items() if words.get(name)}
    return [f"{key}={_as_yaml(value)}" for key, value in given.items()]


def _as_yaml(value: Any) -> str:
    from nearkin.comparison.yaml_text import to_yaml

    return to_yaml(list(value) if isinstance(value, tuple) else value)


def make_study(recipe: Recipe, images: ImageSet | None, folder: Path, jobs: int) -> Outcome:
    """The study, made or gone on with while progress is shown."""
    from nearkin.comparison import compare as compare_methods

    command = shlex.join(["nearkin", *sys.argv[1:]])
    with LiveProgress() as live, redirect_stdout(sys.stderr):  # a loss of one's own may print; stdout is the answer's
        return compare_methods(recipe, folder, jobs=jobs, listener=live, images=images, command=command)


def conclude(outcome: Outcome, as_json: bool, more: Mapping[str, Any] | None = None, last_words: str = "") -> None:
    """Print the table, what it shows, where the page is, and the lines to type next; exit 1 where runs failed.

    more: goes into the JSON answer; last_words take the place of the line for one's own images
    """
    from rich.console import Console

    from nearkin.report import to_table

    folder = outcome.study.folder
    if as_json:
        results = json.loads((folder / "results.json").read_text("utf-8"))
        print_json({**results, "report": str(outcome.report), "study": str(folder), **(more or {})})
    else:
        console = Console()
        console.print(to_table(outcome.summary))
        click.echo(closing_words(outcome.report, last_words))
    for run, reason in outcome.failed:
        click.echo(f"! {run.name} failed: {reason}", err=True)
    if outcome.failed:
        raise SystemExit(1)


def closing_words(report: Path, last_words: str = "") -> str:
    """What stands under every table."""
    same = f"The same for your own images, a folder with one folder a class:\n    {OWN_IMAGES}"
    return f"The page with maps, neighbours, curves and every number:  {report}\n{last_words or same}"
