"""`nearkin gallery`: a folder of enrolled images, made, changed, calibrated, checked and looked at."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from nearkin.cli import gallery_care as care
from nearkin.cli import gallery_changes as changes
from nearkin.cli import gallery_enrol as enrol
from nearkin.cli import gallery_review as review
from nearkin.cli.answers import aligned, json_option, print_json
from nearkin.cli.gallery_options import gallery_option, opened, revision_option
from nearkin.cli.gallery_words import counted
from nearkin.core import InputError, suggestion


@click.group()
def gallery() -> None:
    """Enrol images, and keep what is enrolled: every change is a numbered revision that can be undone.

    The gallery is a folder, named by --gallery (-g) or by NEARKIN_GALLERY. Every command takes --json.

    \b
        nearkin gallery create -g faces photos/       a folder with one folder a class
        nearkin gallery calibrate -g faces --false-accept 0.05
        nearkin classify -g faces new.jpg
    """


@gallery.command("list")
@click.argument("label", required=False)
@gallery_option
@revision_option
@json_option
def list_enrolled(label: str | None, folder: Path | None, at_revision: int | None, as_json: bool) -> None:
    """List the enrolled classes, or the images of the class LABEL.

    \b
        nearkin gallery list -g faces
        nearkin gallery list -g faces "Ada Lovelace" --at-revision 3
    """
    view = opened(folder).view(at_revision)
    names, codes = view.enrolled.names, view.enrolled.codes.tolist()
    if label is None:
        counts = Counter(codes)
        sizes = {name: counts[code] for code, name in enumerate(names)}
        if as_json:
            print_json({"revision": view.revision, "classes": sizes})
            return
        click.echo(aligned([(name, f"{size:,}") for name, size in sizes.items()]) or "nothing is enrolled")
        click.echo(f"\n{counted(len(codes), 'image')} of {counted(len(names), 'class', 'classes')}, revision {view.revision}")
        return
    from nearkin.gallery.labels import as_label

    places = view.places_of([as_label(label)])
    if not len(places):
        raise InputError(f"no class {label!r} is enrolled{suggestion(label, names)}")
    images = view.details(places)
    if as_json:
        rows = [{"id": each.id, "hash": each.hash, "source": each.source} for each in images]
        print_json({"revision": view.revision, "label": label, "images": rows})
        return
    click.echo(aligned([(f"#{each.id}", f"{each.width} x {each.height}", each.source) for each in images]))


@gallery.command()
@gallery_option
@json_option
def history(folder: Path | None, as_json: bool) -> None:
    """List every revision: when, what, and how many images were enrolled after it.

    \b
        nearkin gallery history -g faces
    """
    revisions = opened(folder).history()
    if as_json:
        fields = ("number", "time", "action", "added", "removed", "relabelled", "enrolled", "target", "note")
        print_json([{name: getattr(each, name) for name in fields} for each in revisions])
        return
    head = [("", "time (UTC)", "change", "", "enrolled", "note")]
    rows = [
        (str(each.number), each.time[:19].replace("T", " "), each.action, each.summary, f"{each.enrolled:,}", " ".join(each.note.split()))
        for each in revisions
    ]
    click.echo(aligned(head + rows))


for command in (
    enrol.create,
    enrol.add,
    changes.remove,
    changes.relabel,
    changes.rollback,
    changes.purge,
    care.calibrate,
    care.info,
    review.check,
    review.rebase,
    review.index,
):
    gallery.add_command(command)
