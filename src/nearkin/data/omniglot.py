"""Omniglot: 1,623 characters of 50 alphabets, each drawn by 20 people, 105 x 105, one bit."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from nearkin.core import InputError
from nearkin.data.assembling import assemble
from nearkin.data.decoding import Item
from nearkin.data.folders import picture
from nearkin.data.images import ImageSet
from nearkin.data.preparing import Preparation
from nearkin.data.shelves import Shelf, open_shelf

PARTS = {"images_background": "train", "images_evaluation": "test"}


def find_omniglot(folder: Path) -> tuple[Path, ...] | None:
    """The background and the evaluation set in `folder`, each a zip archive or its extracted tree; None unless both are there."""
    found = []
    for name in PARTS:
        here = [path for path in (folder / f"{name}.zip", folder / name) if path.exists()]
        if not here:
            return None
        found.append(here[0])
    return tuple(found)


def read_omniglot(places: tuple[Path, ...], preparation: Preparation) -> ImageSet:
    """Read what `find_omniglot` found. A class is `alphabet/character`; background is "train", evaluation "test"."""
    with ExitStack() as stack:
        items: list[Item] = []
        for place, part in zip(places, PARTS.values(), strict=True):
            items += _items(stack.enter_context(open_shelf(place)), part)
        return assemble("omniglot", items, preparation, source=str(places[0].parent))


def _items(shelf: Shelf, part: str) -> list[Item]:
    items = []
    for path in shelf.paths:
        if not path[-1].casefold().endswith(".png"):
            continue
        if len(path) < 3:
            raise InputError(f"{'/'.join(path)} in {shelf.name} does not lie in alphabet/character/")
        alphabet, character, file = path[-3:]
        identity, class_name = f"{part}/{alphabet}/{character}/{file}", f"{alphabet}/{character}"
        items.append(Item(identity, class_name, picture(shelf, path), split=part))
    if not items:
        raise InputError(f"{shelf.name} holds no drawings (alphabet/character/*.png)")
    return items
