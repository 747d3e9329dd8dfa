"""Caltech-101: photos of objects in 101 classes, 31 to 800 in each. It comes without a split.

Source: Fei-Fei, Fergus and Perona, "Learning Generative Visual Models from Few Training Examples", 2004. The tree has a 102nd
folder, BACKGROUND_Google, which is no class and is left out. Of Faces and Faces_easy, which show the same photos, the second is
left out (a split would put one half of a photo's copies in training, the other in test): 8,242 images of 100 classes remain.
"""

from __future__ import annotations

from pathlib import Path

from nearkin.core import InputError
from nearkin.data.images import ImageSet
from nearkin.data.official import Counts, Row, assemble_official, first_there, image_paths
from nearkin.data.preparing import Preparation
from nearkin.data.shelves import open_shelf

COUNTS: Counts = {None: (8242, 100)}
BACKGROUND, COPY = "BACKGROUND_Google", "Faces_easy"
NAME = "101_ObjectCategories"


def find_caltech101(folder: Path) -> tuple[Path, ...] | None:
    """The folder 101_ObjectCategories or a zip of it in `folder`; None where neither is there."""
    if folder.name == NAME and folder.is_dir():
        return (folder,)
    return first_there(folder, NAME, f"caltech-101/{NAME}", "caltech101_96px.zip", f"{NAME}.zip", "caltech101.zip")


def read_caltech101(places: tuple[Path, ...], preparation: Preparation) -> ImageSet:
    """Read what `find_caltech101` found; a class is its folder."""
    with open_shelf(places[0]) as shelf:
        rows: list[Row] = []
        left_out = dict.fromkeys((BACKGROUND, COPY), 0)
        for path in image_paths(shelf):
            if len(path) < 2:
                raise InputError(f"{'/'.join(path)} in {shelf.name} does not lie in the folder of a class")
            if path[-2] in left_out:
                left_out[path[-2]] += 1
            else:
                rows.append((path, path[-2], None))
        top = (NAME,) if all(path[0] == NAME for path, _, _ in rows) else ()
        return assemble_official("caltech101", shelf, rows, COUNTS, preparation, top=top, notes=_notes(left_out))


def _notes(left_out: dict[str, int]) -> list[str]:
    reasons = {BACKGROUND: "no class", COPY: "the photos of Faces again"}
    return [f"left out: {count} images of {name}, {reasons[name]}" for name, count in left_out.items() if count]
