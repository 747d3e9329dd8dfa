"""`nearkin verify`: whether two photos are of one class."""

from __future__ import annotations

from pathlib import Path

import click

from nearkin.cli.answers import json_option, print_json
from nearkin.cli.gallery_options import gallery_option, opened, revision_option
from nearkin.cli.gallery_words import compared


@click.command(no_args_is_help=True)
@click.argument("first")
@click.argument("second")
@gallery_option
@revision_option
@json_option
def verify(first: str, second: str, folder: Path | None, at_revision: int | None, as_json: bool) -> None:
    """Say whether the images FIRST and SECOND are of one class.

    Neither need be enrolled; the gallery brings the model and the threshold of its calibration.

    \b
        nearkin verify -g faces one.jpg two.jpg
    """
    pair = opened(folder).verify(first, second, at_revision=at_revision)
    print_json(pair.as_dict()) if as_json else compared(pair)
