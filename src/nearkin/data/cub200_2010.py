"""Caltech-UCSD Birds 200, the 2010 edition: 6,033 photos of 200 birds; classes 1 to 100 train, 101 to 200 test.

Source: Welinder, Branson, Mita, Wah, Schroff, Belongie and Perona, "Caltech-UCSD Birds 200", CNS-TR-2010-001. The split is the
zero-shot one that is usual for the 2011 edition; the tree's own lists are for classification of known classes.
"""

from __future__ import annotations

from pathlib import Path

from nearkin.core import InputError
from nearkin.data.images import ImageSet
from nearkin.data.official import Counts, Row, assemble_official, first_there, image_paths, numbered
from nearkin.data.preparing import Preparation
from nearkin.data.shelves import open_shelf

COUNTS: Counts = {"train": (2990, 100), "test": (3043, 100)}
LAST_TRAINING_CLASS = 100
ARCHIVES = ("CUB_200_2010_144px.zip", "CUB_200_2010.zip", "images.zip")


def find_cub200_2010(folder: Path) -> tuple[Path, ...] | None:
    """A zip of the photos, or the folder images with one folder a class, in `folder`; None where neither is there."""
    return first_there(folder, *ARCHIVES, "images")


def read_cub200_2010(places: tuple[Path, ...], preparation: Preparation) -> ImageSet:
    """Read what `find_cub200_2010` found; a class is its folder, "001.Black_footed_Albatross" to "200...."."""
    with open_shelf(places[0]) as shelf:
        rows: list[Row] = []
        for path in image_paths(shelf):
            if len(path) < 2:
                raise InputError(f"{'/'.join(path)} in {shelf.name} does not lie in the folder of a class")
            number = numbered(path[-2], f"{'/'.join(path)} in {shelf.name}")
            rows.append((path, path[-2], "train" if number <= LAST_TRAINING_CLASS else "test"))
        top = ("images",) if all(path[0] == "images" for path, _, _ in rows) else ()
        return assemble_official("cub200-2010", shelf, rows, COUNTS, preparation, top=top, notes=_notes(places[0]))


def _notes(place: Path) -> list[str]:
    if place.name != ARCHIVES[0]:
        return []
    return ["crops of 144 px around the bird, not the photos: not comparable with results on whole photos"]
