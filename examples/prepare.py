"""Lay out the photos of an example as folders: `python examples/prepare.py checkout|faces|birds FOLDER`.

The data sets are those that `nearkin data` lists; NEARKIN_DATA says where they are.

    FOLDER/enrolled/CLASS/   photos to enrol
    FOLDER/new/CLASS/        other photos of the same classes
    FOLDER/unknown/CLASS/    photos of other classes, to calibrate with
    FOLDER/strangers/CLASS/  photos of still other classes, to see whether the promise holds
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from nearkin.core import InputError
from nearkin.data import located
from nearkin.data.shelves import Shelf, open_shelf

EXAMPLES = {
    # data set, classes to enrol, classes to calibrate with, photos to enrol, new photos
    "checkout": ("caltech101", 40, 40, 5, 5),
    "faces": ("faces", 30, 0, 5, 5),
    "birds": ("cub200-2010", 120, 60, 10, 5),
}
LEFT_OUT = ("BACKGROUND_Google", "Faces")  # no class, and a copy of Faces_easy


def main(name: str, folder: Path) -> None:
    """Write the photos of the example `name`."""
    data, enrolled, unknown, each, new = EXAMPLES[name]
    found = located(data)
    if not found:
        raise InputError(f"the data set {data} is not here; nearkin data says where it is looked for")
    with open_shelf(Path(found[0])) as shelf:
        classes: dict[str, list[tuple[str, ...]]] = {}
        for path in shelf.paths:
            if len(path) > 1 and path[-1].lower().endswith((".jpg", ".png", ".pgm")) and path[-2] not in LEFT_OUT:
                classes.setdefault(path[-2], []).append(path)
        names = sorted(classes)
        order = np.random.default_rng(0).permutation(len(names))
        for place, label in enumerate(names[number] for number in order):
            photos = classes[label]
            if place < enrolled:
                write(shelf, folder / "enrolled" / label, photos[:each])
                write(shelf, folder / "new" / label, photos[each : each + new])
            elif place < enrolled + unknown:
                write(shelf, folder / "unknown" / label, photos[:new])
            else:
                write(shelf, folder / "strangers" / label, photos[:new])


def write(shelf: Shelf, folder: Path, photos: list[tuple[str, ...]]) -> None:
    """Copy files out of the archive."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in photos:
        (folder / path[-1]).write_bytes(shelf.read(path))


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in EXAMPLES:
        sys.exit(f"usage: python examples/prepare.py {'|'.join(EXAMPLES)} FOLDER")
    main(sys.argv[1], Path(sys.argv[2]))
