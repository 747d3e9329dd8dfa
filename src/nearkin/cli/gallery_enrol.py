"""The commands that enrol images: create, add."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nearkin.cli.answers import json_option, print_json
from nearkin.cli.gallery_options import bar, gallery_option, named_folder, note_option, opened, skip_bad_option
from nearkin.cli.gallery_words import calibrating_line, counted, first_of, say_bad, warn

if TYPE_CHECKING:
    from nearkin.gallery import Added, Gallery

label_option = click.option("--label", metavar="NAME", help="The class of all these images, instead of one folder a class.")


@click.command()
@click.argument("images", nargs=-1, metavar="[IMAGES]...")
@gallery_option
@click.option("--model", default="descriptor", show_default=True, help="Folder of a model or of a training run.")
@label_option
@skip_bad_option
@json_option
def create(
    images: tuple[str, ...], folder: Path | None, model: str, label: str | None, skip_bad: bool, as_json: bool
) -> None:
    """Make a gallery, and enrol IMAGES: a folder or a zip with one folder a class.

    The default model knows edges and colours and needs no training; it is fit for small, similar-looking images. A trained
    one is named by its folder.

    \b
        nearkin gallery create -g faces photos/
        nearkin gallery create -g birds photos/ --model runs/birds-train
    """
    place = named_folder(folder)
    from nearkin.gallery import Gallery

    if images:
        with bar("enrolling") as move:
            gallery, added = Gallery.create_from(place, images, model, label=label, skip_bad=skip_bad, on_progress=move)
    else:
        gallery, added = Gallery.create(place, model), None
    if as_json:
        print_json({"gallery": str(place), "model": gallery.model.name, **(added.as_dict() if added else {})})
        return
    click.echo(f"{place}: a gallery with the model {gallery.model.name}, {gallery.store.facts.dimension} numbers an image")
    if added:
        say_added(added, gallery)
    else:
        click.echo(f"Nothing is enrolled yet: nearkin gallery add -g {place} FOLDER")


@click.command(no_args_is_help=True)
@click.argument("images", nargs=-1, required=True, metavar="IMAGES...")
@gallery_option
@label_option
@skip_bad_option
@note_option
@json_option
def add(
    images: tuple[str, ...], folder: Path | None, label: str | None, skip_bad: bool, note: str, as_json: bool
) -> None:
    """Enrol IMAGES: a folder or a zip with one folder a class, or any images with --label.

    An image that is enrolled already changes nothing; under another label it is reported and not added.

    \b
        nearkin gallery add -g faces more/
        nearkin gallery add -g faces ada1.jpg ada2.jpg --label "Ada Lovelace"
    """
    gallery = opened(folder, write=True)
    with bar("enrolling") as move:
        added = gallery.add(images, label, skip_bad=skip_bad, note=note, on_progress=move)
    print_json(added.as_dict()) if as_json else say_added(added, gallery)


def say_added(added: Added, gallery: Gallery) -> None:
    """What was enrolled, and what a person should know of it."""
    new = f", {counted(added.classes, 'new class', 'new classes')}" if added.classes else ""
    same = f"; {counted(added.unchanged, 'image was', 'images were')} enrolled already" if added.unchanged else ""
    click.echo(f"{counted(added.added, 'image')} enrolled{new}{same}; revision {added.revision}")
    for note in added.notes:
        warn(note)
    say_bad(added.bad)
    if added.conflicts:
        warn(f"{counted(len(added.conflicts), 'image is', 'images are')} enrolled under another label and not added (relabel changes it):")
        for line in first_of([f"{each.source}: {each.label!r} here, enrolled as {each.enrolled_as!r}" for each in added.conflicts]):
            click.echo(f"    {line}", err=True)
    if added.confusions:
        count = len({each.label for each in added.confusions})
        warn(f"photos of {count:,} of {counted(added.classes, 'new class', 'new classes')} may be taken for another class:")
        for line in first_of([str(each) for each in added.confusions]):
            click.echo(f"    {line}", err=True)
    if added.outgrown:
        warn(added.outgrown)
    elif gallery.view().calibration is None:
        click.echo(f"Next: {calibrating_line(gallery)}")
