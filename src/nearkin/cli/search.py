"""`nearkin search`: the enrolled images nearest to a photo."""

from __future__ import annotations

from pathlib import Path

import click

from nearkin.cli.answers import json_option, print_json
from nearkin.cli.gallery_options import gallery_option, opened, revision_option
from nearkin.cli.gallery_words import listed


@click.command(no_args_is_help=True)
@click.argument("image")
@click.option("--count", "-k", type=click.IntRange(min=1), default=10, show_default=True, help="How many to show.")
@gallery_option
@revision_option
@json_option
def search(image: str, count: int, folder: Path | None, at_revision: int | None, as_json: bool) -> None:
    """Show the enrolled images nearest to IMAGE.

    \b
        nearkin search -g birds warbler.jpg -k 20
    """
    found = opened(folder).search(image, count, at_revision=at_revision)
    print_json(found.as_dict()) if as_json else listed(found)
