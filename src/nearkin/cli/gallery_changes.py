"""The commands that change what is enrolled: remove, relabel, rollback, purge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nearkin.cli.answers import json_option, print_json
from nearkin.cli.gallery_options import gallery_option, note_option, opened
from nearkin.cli.gallery_words import counted

if TYPE_CHECKING:
    from nearkin.gallery import Change

what_argument = click.argument("what")
kind_options = (
    click.option("--label", "kind", flag_value="label", help="WHAT is a class, even if there is a file of that name."),
    click.option("--image", "kind", flag_value="image", help="WHAT is an image's file, even if there is a class of that name."),
)


def _meant(what: str, kind: str | None) -> str:
    from nearkin.gallery import File, Label

    return Label(what) if kind == "label" else File(what) if kind == "image" else what


def _said(change: Change, done: str, number: int, as_json: bool) -> None:
    if as_json:
        print_json({"revision": change.revision, done: number, "unchanged": change.unchanged})
        return
    same = f"; {change.unchanged:,} had that label already" if change.unchanged else ""
    click.echo(f"{counted(number, 'image')} {done}{same}; revision {change.revision}")


@click.command(no_args_is_help=True)
@what_argument
@gallery_option
@kind_options[0]
@kind_options[1]
@note_option
@json_option
def remove(what: str, folder: Path | None, kind: str | None, note: str, as_json: bool) -> None:
    """Remove a class, or an image: by its file, or by its number as #17.

    Earlier revisions still have it: rollback brings it back, purge erases it.

    \b
        nearkin gallery remove -g faces "Ada Lovelace"
        nearkin gallery remove -g faces '#17'
    """
    change = opened(folder, write=True).remove(_meant(what, kind), note=note)
    _said(change, "removed", change.removed, as_json)


@click.command(no_args_is_help=True)
@what_argument
@click.argument("label")
@gallery_option
@kind_options[0]
@kind_options[1]
@note_option
@json_option
def relabel(what: str, label: str, folder: Path | None, kind: str | None, note: str, as_json: bool) -> None:
    """Give a class, or an image (its file, or #17), the name LABEL.

    \b
        nearkin gallery relabel -g faces "A. Lovelace" "Ada Lovelace"
    """
    change = opened(folder, write=True).relabel(_meant(what, kind), label, note=note)
    _said(change, "relabelled", change.relabelled, as_json)


@click.command(no_args_is_help=True)
@click.argument("revision", type=click.IntRange(min=0))
@gallery_option
@note_option
@json_option
def rollback(revision: int, folder: Path | None, note: str, as_json: bool) -> None:
    """Make the gallery as it was at REVISION, calibration included; this is a new revision and can be undone, too.

    \b
        nearkin gallery rollback -g faces 4
    """
    gallery = opened(folder, write=True)
    change = gallery.rollback(revision, note=note)
    if as_json:
        print_json({"revision": change.revision, "added": change.added, "removed": change.removed})
        return
    enrolled = counted(len(gallery.view().enrolled), "image")
    click.echo(f"as at revision {revision}: {enrolled} enrolled; revision {change.revision}")


@click.command(no_args_is_help=True)
@what_argument
@gallery_option
@kind_options[0]
@kind_options[1]
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def purge(what: str, folder: Path | None, kind: str | None, yes: bool, as_json: bool) -> None:
    """Erase a class or an image for good: from every revision, log, free page and cache.

    It cannot be undone, and earlier revisions no longer show it. The original files are not touched.

    \b
        nearkin gallery purge -g faces "Ada Lovelace"
    """
    gallery = opened(folder, write=True)
    if not yes:
        click.confirm(f"Erase {what!r} from every revision of {gallery.folder}? This cannot be undone", abort=True, err=True)
    gone = gallery.purge(_meant(what, kind))
    if as_json:
        print_json({"revision": gone.revision, "images": gone.images, "labels": gone.labels, "notes": gone.notes})
        return
    notes = f"; {counted(gone.notes, 'note')} that named it erased" if gone.notes else ""
    click.echo(f"{counted(gone.images, 'image')} and {counted(gone.labels, 'label')} erased for good{notes}; revision {gone.revision}")
