"""Stanford Online Products: 120,053 photos of 22,634 articles; 11,318 articles train, the other 11,316 test.

Source: Oh Song, Xiang, Jegelka and Savarese, "Deep Metric Learning via Lifted Structured Feature Embedding", CVPR 2016, whose
split Ebay_train.txt and Ebay_test.txt hold.
"""

from __future__ import annotations

from pathlib import Path

from nearkin.core import InputError
from nearkin.data.images import ImageSet
from nearkin.data.official import Counts, Row, assemble_official, first_there, folder_of, read_lines
from nearkin.data.preparing import Preparation
from nearkin.data.shelves import Parts, Shelf, open_shelf

COUNTS: Counts = {"train": (59551, 11318), "test": (60502, 11316)}
LISTS = {"train": "Ebay_train.txt", "test": "Ebay_test.txt"}
HEADER = ["image_id", "class_id", "super_class_id", "path"]


def find_sop(folder: Path) -> tuple[Path, ...] | None:
    """The tree with the two lists, or a zip of it, in `folder` or in its Stanford_Online_Products; None where neither is."""
    name = "Stanford_Online_Products"
    found = first_there(folder, LISTS["train"], f"{name}/{LISTS['train']}", f"{name}.zip")
    return found and ((found[0].parent,) if found[0].suffix == ".txt" else found)


def read_sop(places: tuple[Path, ...], preparation: Preparation) -> ImageSet:
    """Read what `find_sop` found; a class is an article, "bicycle/1" to "toaster/22634"."""
    with open_shelf(places[0]) as shelf:
        rows: list[Row] = []
        tops: set[Parts] = set()
        for part, name in LISTS.items():
            top = folder_of(shelf, name)
            if top is None:
                raise InputError(f"{shelf.name} has no {name}; sop is the tree that holds {' and '.join(LISTS.values())}")
            tops.add(top)
            rows += _rows(shelf, top, name, part)
        return assemble_official("sop", shelf, rows, COUNTS, preparation, top=tops.pop() if len(tops) == 1 else ())


def _rows(shelf: Shelf, top: Parts, name: str, part: str) -> list[Row]:
    lines = read_lines(shelf, (*top, name), len(HEADER))
    if lines and lines[0] == HEADER:
        del lines[0]
    return [
        ((*top, *path.split("/")), f"{path.partition('/')[0].removesuffix('_final')}/{article}", part)
        for _, article, _, path in lines
    ]
