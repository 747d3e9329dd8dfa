"""The commands that say what a gallery's answers are worth: calibrate, info."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nearkin.cli.answers import json_option, print_json
from nearkin.cli.gallery_options import bar, gallery_option, opened, skip_bad_option
from nearkin.cli.gallery_words import calibrating_line, columns, counted, warn

if TYPE_CHECKING:
    from nearkin.gallery import Calibration, Gallery
    from nearkin.gallery.informing import Info


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
    gallery = opened(folder)
    found = gallery.info()
    print_json(found.as_dict()) if as_json else say_info(gallery, found)


def say_info(gallery: Gallery, found: Info) -> None:
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
        warn(f"not calibrated: {calibrating_line(gallery)}")
    if found.lone:
        warn(f"{counted(found.lone, 'class has', 'classes have')} one image only")
    if found.outgrown:
        warn(found.outgrown)
