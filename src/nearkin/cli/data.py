"""`nearkin data`: the data sets known by name, where each is looked for, how to get it; and what the caches hold."""

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
    kept = [(name, cache_words(facts)) for name, facts in caches().items()]
    click.echo("\ncaches, which nearkin data clear-caches empties\n" + aligned(kept, indent="    "))
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


@data.command("clear-caches")
@click.argument("names", nargs=-1, metavar="[CACHE]...")
@json_option
def clear_caches(names: tuple[str, ...], as_json: bool) -> None:
    """Empty the caches (pixels, features, or those named); what is needed again is made again.

    Data sets that were fetched stay, and so does what is being made now.
    """
    from nearkin.core.caches import CACHES, cache_folder, clear_cache

    chosen = names or tuple(CACHES)
    for name in chosen:
        cache_folder(name)  # a wrong name is said before anything is removed
    removed = {name: clear_cache(name) for name in chosen}
    if as_json:
        print_json({name: {"folder": str(kept.folder), "bytes": kept.bytes} for name, kept in removed.items()})
        return
    for name, kept in removed.items():
        click.echo(f"{name}: {_size(kept.bytes)} removed from {kept.folder}")


def caches() -> dict[str, dict[str, Any]]:
    """Every cache: what it is for, where it lies, how much it holds."""
    from nearkin.core.caches import CACHES, kept_in

    found = {name: kept_in(name) for name in CACHES}
    return {
        name: {"description": CACHES[name], "folder": str(kept.folder), "entries": kept.entries, "bytes": kept.bytes}
        for name, kept in found.items()
    }


def cache_words(facts: dict[str, Any]) -> str:
    """A cache in a line."""
    return f"{_size(facts['bytes'])} in {facts['folder']} ({facts['description']})"


def _size(count: int) -> str:
    """Bytes in words.

    >>> _size(0), _size(123_456), _size(3_210_000_000)
    ('nothing', '0.1 MB', '3.2 GB')
    """
    if not count:
        return "nothing"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


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
