"""The commands that look through a whole gallery: check, rebase, index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nearkin.cli.answers import json_option, print_json
from nearkin.cli.gallery_options import bar, gallery_option, opened, skip_bad_option
from nearkin.cli.gallery_words import counted, first_of, say_bad, warn

if TYPE_CHECKING:
    from nearkin.gallery.checking import Checked
    from nearkin.gallery.rebasing import Rebased


@click.command()
@gallery_option
@json_option
def check(folder: Path | None, as_json: bool) -> None:
    """Look for likely label errors, near duplicates, classes of one image, and damage. Exit code 1 where files are damaged.

    \b
        nearkin gallery check -g faces
    """
    gallery = opened(folder)
    with bar("looking") as move:
        found = gallery.check(on_progress=move)
    print_json(found.as_dict()) if as_json else say_checked(found)
    if found.faults:
        raise SystemExit(1)


def say_checked(found: Checked) -> None:
    """What to look at, the likeliest first."""
    from nearkin.gallery.answers import percent

    click.echo(f"{found.looked_at:,} of {counted(found.images, 'image')} looked at")
    parts = [
        (
            "likely label errors",
            [f"#{each.id}  {each.source}: {each.label!r}, looks like {each.likely!r} ({percent(each.probability)})" for each in found.suspects],
        ),
        (
            "near duplicates",
            [
                f"#{each.first} and #{each.second}: {each.first_source} ({each.first_label!r}), {each.second_source} ({each.second_label!r})"
                for each in found.twins
            ],
        ),
        ("classes of one image", [repr(name) for name in found.lone]),
        ("damaged files", list(found.faults)),
    ]
    for title, lines in parts:
        click.echo(f"{title}: {len(lines) if lines else 'none'}")
        for line in first_of(lines, 10):
            click.echo(f"    {line}")
    if found.suspects:
        click.echo("Look before you change: nearkin gallery relabel '#NUMBER' LABEL, or remove '#NUMBER'.")


@click.command(no_args_is_help=True)
@click.argument("model")
@click.option("--images", required=True, metavar="FOLDER", help="Where the enrolled images are; they are known by their content.")
@click.option("--to", type=click.Path(path_type=Path), help="The new gallery; default: beside the old, named after the model.")
@click.option("--probes", metavar="FOLDER", help="Photos whose answers are compared; default: the enrolled images, left out.")
@gallery_option
@skip_bad_option
@json_option
def rebase(
    model: str, images: str, to: Path | None, probes: str | None, folder: Path | None, skip_bad: bool, as_json: bool
) -> None:
    """Build the gallery of another MODEL beside this one, which stays as it is.

    Names the images that FOLDER lacks, and the photos that the two galleries name differently. The new gallery needs a
    calibration of its own: distances of two models cannot be compared.

    \b
        nearkin gallery rebase runs/faces-train -g faces --images photos/
    """
    gallery = opened(folder)
    with bar("embedding") as move:
        found = gallery.rebase(model, images, to=to, probes=probes, skip_bad=skip_bad, on_progress=move)
    print_json(found.as_dict()) if as_json else say_rebased(found)


def say_rebased(found: Rebased) -> None:
    """The new gallery, what it lacks, and where it differs."""
    click.echo(f"{found.folder}: {counted(found.moved, 'image')} embedded by {found.model}")
    if found.missing:
        warn(f"{counted(len(found.missing), 'enrolled image was', 'enrolled images were')} not found and {'is' if len(found.missing) == 1 else 'are'} not in it:")
        for line in first_of([f"#{number}  {source}" for number, source in found.missing]):
            click.echo(f"    {line}", err=True)
    say_bad(found.bad)
    if found.strangers:
        click.echo(f"{counted(found.strangers, 'other photo')} in the folder, not enrolled, left alone")
    if found.right_before is not None and found.right_after is not None:
        click.echo(f"of {counted(found.probes, 'probe')} {found.right_before:,} were named rightly before and {found.right_after:,} now; {len(found.flips):,} flip")
    else:
        click.echo(f"{len(found.flips):,} of {counted(found.probes, 'probe')} flip")
    for line in first_of([f"{each.image}: {each.before!r} became {each.after!r}" + ("" if each.label is None else f" (is {each.label!r})") for each in found.flips], 10):
        click.echo(f"    {line}")
    click.echo(f"Next: nearkin gallery calibrate -g {found.folder} --false-accept RATE   (nearkin gallery info -g {found.folder} names one)")


@click.command()
@gallery_option
@json_option
def index(folder: Path | None, as_json: bool) -> None:
    """Build the approximate index of a large gallery, and measure how often it finds what an exact search finds.

    Up to 300,000 images every search is exact and needs none.

    \b
        nearkin gallery index -g sightings
    """
    gallery = opened(folder, write=True)
    recall = gallery.store.build_index(on_progress=None if as_json else lambda words: click.echo(words, err=True))
    if as_json:
        print_json({"recall": recall.mean, "fifth_percentile": recall.fifth, "queries": recall.queries, "images": recall.rows})
        return
    click.echo(
        f"{counted(recall.rows, 'image')} indexed; of the 10 nearest it finds {100 * recall.mean:.1f} % "
        f"({100 * recall.fifth:.0f} % at the 5th percentile of {recall.queries:,} questions)"
    )
