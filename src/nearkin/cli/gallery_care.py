"""The commands that look after a gallery: calibrate, info, check, rebase."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nearkin.cli.answers import json_option, print_json
from nearkin.cli.gallery_options import bar, gallery_option, opened, skip_bad_option
from nearkin.cli.gallery_words import columns, counted, first_of, say_bad, warn

if TYPE_CHECKING:
    from nearkin.gallery import Calibration
    from nearkin.gallery.checking import Checked
    from nearkin.gallery.informing import Info
    from nearkin.gallery.rebasing import Rebased


@click.command(no_args_is_help=True)
@click.option("--false-accept", type=float, required=True, metavar="R", help="Share of photos of unknown classes that may get a name.")
@click.option("--unknowns", metavar="FOLDER", help="Photos of classes that are not enrolled, one folder a class.")
@click.option("--confidence", type=float, default=0.95, show_default=True, help="Of the promise, one-sided, over classes.")
@click.option("--room", type=float, default=1.0, show_default=True, help="How much the gallery may grow: 1.2 for a fifth more classes.")
@click.option("--pair-false-accept", type=float, help="For verify: share of pairs of two classes; default 0.01, if there are 1,000 pairs.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of samples and resamples.")
@gallery_option
@skip_bad_option
@json_option
def calibrate(
    false_accept: float,
    unknowns: str | None,
    confidence: float,
    room: float,
    pair_false_accept: float | None,
    seed: int,
    folder: Path | None,
    skip_bad: bool,
    as_json: bool,
) -> None:
    """Find the threshold below which photos get a name, and keep a promise with it.

    The promise: of photos of classes that are not enrolled, at most a share R gets any name, at the gallery's present
    size. It rests on --unknowns, or on whole enrolled classes that are left out in turn; images that the model was trained
    on never count. A smaller share than the data support is refused, with the smallest that they do.

    \b
        nearkin gallery calibrate -g faces --false-accept 0.05
        nearkin gallery calibrate -g faces --false-accept 0.05 --unknowns strangers/
    """
    gallery = opened(folder, write=True)
    with bar("reading unknowns") as move:
        found = gallery.calibrate(
            false_accept,
            unknowns,
            confidence=confidence,
            room=room,
            pair_false_accept=pair_false_accept,
            skip_bad=skip_bad,
            seed=seed,
            on_progress=move,
        )
    print_json({"revision": gallery.view().revision, **found.as_section()}) if as_json else say_calibration(found)


def say_calibration(found: Calibration) -> None:
    """What was promised, on what it rests, and what it costs."""
    from nearkin.gallery.answers import percent, shown

    kept = found.promise
    confidence = percent(kept.confidence)
    rows = [
        ("threshold", f"{shown(kept.threshold)}: a photo as near as this to an enrolled image gets its name"),
        ("promise", f"at most {percent(kept.rate)} of photos of classes not enrolled get a name ({confidence} bound over classes)"),
        ("rests on", f"{kept.photos:,} photos of {kept.classes:,} {found.unknowns}; {percent(kept.observed)} of them got a name"),
    ]
    if found.accuracy is not None and found.named is not None:
        right = f"{percent(found.accuracy)} of left-out enrolled photos go to their class, {percent(found.named)} are near enough for a name"
        rows.append(("costs", right))
    rows.append(("votes", counted(found.votes, "nearest image")))
    if found.pair_rate is not None:
        words = f"{percent(found.pair_rate.rate)} of {found.pair_rate.pairs:,} pairs of two classes lie within it: a search asks many at once"
        rows.append(("pairs", words))
    if found.pairs is not None:
        far, tpr = percent(found.pairs.far or 0), percent(found.pairs.tpr or 0)
        words = f"{shown(found.pairs.value)} accepts {far} of {found.pairs.impostor_pairs:,} pairs of two classes, {tpr} of {found.pairs.positive_pairs:,} of one"
        rows.append(("verify", words))
    else:
        rows.append(("verify", f"no threshold: {found.no_pairs}"))
    columns(rows, indent="")
    if found.set_aside:
        warn(f"{counted(found.set_aside, 'photo')} set aside: the model was trained on them or on their class")
    if not found.probability.is_calibrated:
        warn("no probabilities: every class has one image, so that none can be left out to see how often answers are right")
    for note in found.notes:
        warn(note)


@click.command()
@gallery_option
@json_option
def info(folder: Path | None, as_json: bool) -> None:
    """Say what the gallery holds, by which model, and what its answers promise.

    \b
        nearkin gallery info -g faces
    """
    found = opened(folder).info()
    print_json(found.as_dict()) if as_json else say_info(found)


def say_info(found: Info) -> None:
    """The facts of a gallery."""
    sizes = f"{found.smallest} to {found.largest} images each" if found.smallest < found.largest else f"{found.largest} each"
    rows = [
        ("gallery", f"{found.folder}, revision {found.revision}, changed {found.changed[:16].replace('T', ' ')} UTC, {found.bytes / 1e6:,.1f} MB"),
        ("enrolled", f"{counted(found.images, 'image')} of {counted(found.classes, 'class', 'classes')}" + (f", {sizes}" if found.images else "")),
        ("model", f"{found.model.name} ({found.model.fingerprint[:12]}), {found.dimension} numbers, {found.distance} distance"),
        ("search", found.index),
    ]
    columns(rows, indent="")
    if found.calibration is not None:
        say_calibration(found.calibration)
    else:
        warn("not calibrated: nearkin gallery calibrate --false-accept 0.05")
    if found.lone:
        warn(f"{counted(found.lone, 'class has', 'classes have')} one image only")
    if found.outgrown:
        warn(found.outgrown)


@click.command()
@gallery_option
@json_option
def check(folder: Path | None, as_json: bool) -> None:
    """Look for likely label errors, near duplicates, classes of one image, and damage. Exit code 1 where files are damaged.

    \b
        nearkin gallery check -g faces
    """
    gallery = opened(folder)
    found = gallery.check()
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
    click.echo(f"Next: nearkin gallery calibrate -g {found.folder} --false-accept 0.05")
