"""Lake's 20 runs of 20-way one-shot classification: one drawing to learn each of 20 characters from, one to name."""

from __future__ import annotations

from pathlib import Path

from nearkin.core import InputError
from nearkin.data.assembling import assemble
from nearkin.data.decoding import Item
from nearkin.data.folders import picture
from nearkin.data.images import ImageSet
from nearkin.data.preparing import Preparation
from nearkin.data.shelves import Parts, Shelf, open_shelf

ANSWERS = "class_labels.txt"


def find_one_shot(folder: Path) -> tuple[Path, ...] | None:
    """`all_runs.zip` or `all_runs` in `folder`, or `folder` itself where it holds run01; None where none is there."""
    for place in (folder / "all_runs.zip", folder / "all_runs"):
        if place.exists():
            return (place,)
    return (folder,) if (folder / "run01" / ANSWERS).is_file() else None


def read_one_shot(places: tuple[Path, ...], preparation: Preparation) -> ImageSet:
    """Read what `find_one_shot` found: run01/training/class01.png, run01/test/item01.png, run01/class_labels.txt, ...

    A class is `run01/class01`, with the drawing to learn from (`gallery`) and the one to name (`queries`); its group is
    the run, so that `nearkin.evaluation.given_episodes(labels, groups, queries)` has the 20 runs as episodes. All drawings
    are of the evaluation alphabets ("test").
    """
    with open_shelf(places[0]) as shelf:
        runs = sorted({path[-2] for path in shelf.paths if len(path) >= 2 and path[-1] == ANSWERS})
        if not runs:
            raise InputError(f"{shelf.name} holds no runs (run01/{ANSWERS}, run01/training/, run01/test/)")
        items = [item for run in runs for item in _items(shelf, run)]
        return assemble("omniglot-one-shot", items, preparation, source=str(places[0]))


def _items(shelf: Shelf, run: str) -> list[Item]:
    """The drawings of a run; a line of its answers names a drawing and the one of the same character to learn from."""
    here = {path[path.index(run) :]: path for path in shelf.paths if run in path}
    items: dict[Parts, Item] = {}
    text = shelf.read(here[run, ANSWERS]).decode("utf-8", errors="replace")
    for number, line in enumerate(filter(str.strip, text.splitlines()), 1):
        pair = [tuple(name.split("/")) for name in line.split()]
        if len(pair) != 2 or not set(pair) <= set(here):
            raise InputError(
                f"{run}/{ANSWERS} in {shelf.name}, line {number}: {line.strip()!r} does not name two drawings that are there"
            )
        for path, asks in zip(pair, (True, False)):
            name = f"{run}/{Path(pair[1][-1]).stem}"
            items[path] = Item(
                "/".join(path), name, picture(shelf, here[path]), split="test", group=run, query=asks, gallery=not asks
            )
    return [items[path] for path in sorted(items)]
