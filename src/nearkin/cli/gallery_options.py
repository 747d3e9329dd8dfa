"""What the commands of a gallery share: which gallery, which images, and a bar while many are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nearkin.core import InputError, need

if TYPE_CHECKING:
    from nearkin.gallery import Gallery

Command = TypeVar("Command", bound=Callable[..., Any])

VARIABLE = "NEARKIN_GALLERY"
BAR_FROM = 65
"""Images from which on a bar is shown: fewer are one batch."""


def gallery_option(command: Command) -> Command:
    """Add `--gallery`, which the environment may answer."""
    option = click.option(
        "--gallery",
        "-g",
        "folder",
        metavar="FOLDER",
        callback=lambda _context, _parameter, given: Path(given) if given else None,  # "" is no folder, and not this one
        envvar=VARIABLE,
        help=f"The gallery; default: the environment's {VARIABLE}.",
    )
    return option(command)


def skip_bad_option(command: Command) -> Command:
    """Add `--skip-bad`."""
    return click.option("--skip-bad", is_flag=True, help="Go on without images that cannot be read, and list them.")(command)


def revision_option(command: Command) -> Command:
    """Add `--at-revision`."""
    option = click.option(
        "--at-revision", type=click.IntRange(min=0), metavar="N", help="Answer as the gallery did right after revision N."
    )
    return option(command)


def note_option(command: Command) -> Command:
    """Add `--note`."""
    return click.option("--note", default="", help="A line for the history.")(command)


def named_folder(folder: Path | None) -> Path:
    """The gallery's folder, or an error that says how to name it."""
    if folder is None:
        raise InputError(f"which gallery? Name its folder with --gallery FOLDER, or once and for all with {VARIABLE}=FOLDER")
    need("sqlalchemy", extra="gallery", purpose="a gallery")
    return folder


def opened(folder: Path | None, *, write: bool = False) -> Gallery:
    """The gallery, for reading unless `write`."""
    place = named_folder(folder)
    from nearkin.gallery import Gallery

    return Gallery.open(place, write=write)


@contextmanager
def bar(words: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr where that is a terminal and there are many images; silent elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = None

        def move(done: int, count: int) -> None:
            nonlocal task
            if task is None and count >= BAR_FROM:
                task = progress.add_task(words, total=count)
            if task is not None:
                progress.update(task, completed=done, total=count)

        yield move
