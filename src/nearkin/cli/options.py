"""Options that are lists, and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


class Names(click.ParamType[list[str]]):
    """Names with commas between them: `contrastive,triplet`."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """The names, in order, blanks taken off."""
        if isinstance(value, list):
            return value
        names = [name.strip() for name in value.split(",")]
        if not all(names):
            self.fail(f"{value!r} must be names with commas between them", param, ctx)
        return names


class Seeds(click.ParamType[Any]):
    """How many seeds (`3` is 0, 1, 2), or a list of them (`0,4,7`)."""

    name = "seeds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A count, or a list of seeds."""
        try:
            numbers = [int(number) for number in str(value).split(",")]
        except ValueError:
            self.fail(f"{value!r} must be how many seeds, or whole numbers with commas between them", param, ctx)
        if min(numbers) < (1 if len(numbers) == 1 else 0):
            self.fail(f"{value!r}: give at least one seed; seeds start at 0", param, ctx)
        return numbers[0] if len(numbers) == 1 else numbers


class Size(click.ParamType[tuple[int, int]]):
    """Pixels: `64` for a square, `48x64` for height x width."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """(height, width)."""
        if isinstance(value, tuple):
            return value
        sides = str(value).lower().split("x")
        if len(sides) > 2 or not all(side.isdigit() and int(side) for side in sides):
            self.fail(f"{value!r} must be pixels such as 64, or height x width such as 48x64", param, ctx)
        return int(sides[0]), int(sides[-1])


def own_images_options(command: Command) -> Command:
    """The options that stand for a recipe: which images, which losses, which distances."""
    options = (
        click.option("--data", "source", metavar="SOURCE", help="Images: a folder or zip with one folder a class, a CSV, or a name."),
        click.option("--loss", "losses", type=Names(), help="Losses with commas between them (nearkin list losses)."),
        click.option("--distance", "distances", type=Names(), help="Distances, each crossed with each loss that has one."),
        click.option("--mining", type=Names(), help="Rules of mining, each crossed with each loss that mines."),
        click.option("--protocol", "protocols", type=Names(), help="How the images are split (nearkin list protocols)."),
        click.option("--steps", type=click.IntRange(min=1), help="Training steps of every method."),
        click.option("--size", type=Size(), help="Resize the images: 64, or 48x64 (height x width)."),
        click.option("--skip-bad", is_flag=True, help="Go on without images that cannot be read, and list them."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def study_options(command: Command) -> Command:
    """The options of whatever makes a study."""
    options = (
        click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="The study's folder; default runs/NAME."),
        click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that share the runs."),
    )
    for option in reversed(options):
        command = option(command)
    return command
