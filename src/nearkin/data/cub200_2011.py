"""Caltech-UCSD Birds 200, the 2011 edition: 11,788 photos of 200 birds; classes 1 to 100 train, 101 to 200 test.

Source: Wah, Branson, Welinder, Perona and Belongie, "The Caltech-UCSD Birds-200-2011 Dataset", CNS-TR-2011-001. The split is
the one of zero-shot retrieval (Oh Song et al., CVPR 2016). The tree's own train_test_split.txt is for classification of
known classes: it is not used.
"""

from __future__ import annotations

from pathlib import Path

from nearkin.core import InputError
from nearkin.data.images import ImageSet
from nearkin.data.official import Counts, Row, assemble_official, first_there, folder_of, numbered, read_lines
from nearkin.data.preparing import Preparation
from nearkin.data.shelves import Parts, Shelf, open_shelf

COUNTS: Counts = {"train": (5864, 100), "test": (5924, 100)}
LAST_TRAINING_CLASS = 100


def find_cub200_2011(folder: Path) -> tuple[Path, ...] | None:
    """The tree with images.txt, or a zip of it, in `folder` or in its CUB_200_2011; None where neither is."""
    found = first_there(folder, "images.txt", "CUB_200_2011/images.txt", "CUB_200_2011.zip")
    return found and ((found[0].parent,) if found[0].suffix == ".txt" else found)


def read_cub200_2011(places: tuple[Path, ...], preparation: Preparation) -> ImageSet:
    """Read what `find_cub200_2011` found: images.txt, image_class_labels.txt and images/; whole photos, not the boxes."""
    with open_shelf(places[0]) as shelf:
        top = folder_of(shelf, "images.txt")
        if top is None:
            raise InputError(f"{shelf.name} has no images.txt; cub200-2011 is the tree that holds it")
        return assemble_official(
            "cub200-2011", shelf, _rows(shelf, top), COUNTS, preparation, top=(*top, "images")
        )


def _rows(shelf: Shelf, top: Parts) -> list[Row]:
    paths = dict(read_lines(shelf, (*top, "images.txt"), 2))
    classes = dict(read_lines(shelf, (*top, "image_class_labels.txt"), 2))
    if paths.keys() != classes.keys():
        number = sorted(paths.keys() ^ classes.keys())[0]
        raise InputError(
            f"images.txt and image_class_labels.txt in {shelf.name} list different images: only one of them has {number}"
        )
    rows: list[Row] = []
    for number, path in paths.items():
        where = f"images.txt in {shelf.name}, image {number}"
        folder = tuple(path.split("/"))
        label = numbered(classes[number], where)
        if len(folder) != 2 or numbered(folder[0], where) != label:
            raise InputError(f"{where}: {path!r} does not lie in the folder of its class {label}")
        part = "train" if label <= LAST_TRAINING_CLASS else "test"
        rows.append(((*top, "images", *folder), folder[0], part))
    return rows
