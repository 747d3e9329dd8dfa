"""`nearkin data`: the data sets known by name, where each is looked for, and how to get it."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from nearkin.cli.answers import aligned, json_option, print_json


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def data(ctx: click.Context, as_json: bool) -> None:
    """List the data sets and say where each is looked for; `nearkin data fetch NAME` gets one."""
    if ctx.invoked_subcommand is not None:
        return
    sets = known_sets()
    if as_json:
        print_json(sets)
        return
    for name, facts in sets.items():
        state = "here" if facts["here"] else "not here"
        click.echo(f"{name}: {facts['description']}\n    {facts['images']:,} images, {facts['classes']:,} classes; {state}")
        if facts["looked_for"]:
            click.echo(aligned([("looked for in", place) for place in facts["looked_for"]], indent="    "))
        if not facts["here"]:
            click.echo(f"    to get it: {facts['to_get_it']}")
    click.echo("\nNEARKIN_DATA names the folder of data sets. Own images: a folder or zip with one folder a class, or a CSV.")


def known_sets() -> dict[str, dict[str, Any]]:
    """Every data set of the catalogue: what it is, whether it is here, where it is looked for."""
    from nearkin.data import CATALOGUE, located, looked_for

    return {
        name: {
            "description": entry.description,
            "images": entry.images,
            "classes": entry.classes,
            "licence": entry.licence,
            "here": located(name) is not None,
            "looked_for": [str(place) for place in looked_for(name)],
            "to_get_it": f"nearkin data fetch {name}" if entry.remote else entry.advice or "it comes with nearkin[train]",
        }
        for name, entry in CATALOGUE.items()
    }


@data.command()
@click.argument("name")
@json_option
def fetch(name: str, as_json: bool) -> None:
    """Download the data set NAME from its public address, with checksum; a stopped download goes on."""
    from nearkin.data import fetch as fetch_files

    with _Bars() as bars:
        folder = fetch_files(name, progress=bars)
    print_json({"name": name, "folder": str(folder)}) if as_json else click.echo(f"{name} is complete in {folder}")


class _Bars:
    """Progress of downloads: a bar a file on a terminal, nothing elsewhere."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self.bars = Progress(*columns, console=console, disable=not console.is_terminal)
        self.files: dict[str, TaskID] = {}

    def __enter__(self) -> _Bars:
        self.bars.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self.bars.stop()

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """Draw `done` of `total` bytes."""
        if name not in self.files:
            self.files[name] = self.bars.add_task(name, total=total)
        self.bars.update(self.files[name], completed=done, total=total)
