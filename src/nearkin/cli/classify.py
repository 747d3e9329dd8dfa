"""`nearkin classify`: what class photos are of, or that they are of none that is enrolled."""

from __future__ import annotations

from pathlib import Path

import click

from nearkin.cli.answers import json_option, print_json
from nearkin.cli.gallery_options import bar, gallery_option, opened, revision_option, skip_bad_option
from nearkin.cli.gallery_words import answered, answers_table, say_bad


@click.command(no_args_is_help=True)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@gallery_option
@skip_bad_option
@revision_option
@json_option
def classify(images: tuple[str, ...], folder: Path | None, skip_bad: bool, at_revision: int | None, as_json: bool) -> None:
    """Say what class each IMAGE is of, or that it is unknown.

    IMAGE is a file, a folder, a zip or a pattern; - reads one image, or a list of paths, from standard input.

    \b
        nearkin classify -g faces photo.jpg
        nearkin classify -g faces inbox/ --json
        find inbox -name '*.jpg' | nearkin classify -g faces -
    """
    gallery = opened(folder)
    from nearkin.gallery.collecting import collect

    photos = collect(images, skip_bad=skip_bad)
    with bar("classifying") as move:
        answers = gallery.classify(photos, at_revision=at_revision, on_progress=move)
    if as_json:
        bad = [{"image": image, "reason": reason} for image, reason in photos.bad]
        print_json({"answers": [answer.as_dict() for answer in answers], "bad": bad})
        return
    answered(answers[0]) if len(answers) == 1 else answers_table(answers)
    say_bad(photos.bad)
