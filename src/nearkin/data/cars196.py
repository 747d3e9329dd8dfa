"""Stanford Cars (Cars196): 16,185 photos of 196 models of cars; classes 1 to 98 train, 99 to 196 test.

Source: Krause, Stark, Deng and Fei-Fei, "3D Object Representations for Fine-Grained Categorization", 3dRR 2013. The split is the
one of zero-shot retrieval (Oh Song et al., CVPR 2016); the published halves, which share all classes, are put together.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from nearkin.core import InputError, need
from nearkin.data.images import ImageSet
from nearkin.data.official import Counts, Row, assemble_official, first_there, folder_of, image_paths
from nearkin.data.preparing import Preparation
from nearkin.data.shelves import Parts, Shelf, open_shelf

COUNTS: Counts = {"train": (8054, 98), "test": (8131, 98)}
LAST_TRAINING_CLASS = 98
FIRST_TEST_NAME = "Ferrari"
"""In the published order FIAT (98) is the last make of training; in the order of characters every later make follows."""

HALVES = {"cars_train": "cars_train_annos.mat", "cars_test": "cars_test_annos_withlabels.mat"}
CONTENTS = ("cars_annos.mat", "devkit", "cars_train", "train", "images", "AM General Hummer SUV 2000")


def find_cars196(folder: Path) -> tuple[Path, ...] | None:
    """The tree in `folder`, in one of the layouts of `read_cars196`, or a zip of it; None where neither is there."""
    for place in (folder, folder / "car_data", folder / "stanford_cars"):
        if first_there(place, *CONTENTS):
            return (place,)
    return first_there(folder, "cars196.zip", "stanford_cars.zip", "archive.zip")


def read_cars196(places: tuple[Path, ...], preparation: Preparation) -> ImageSet:
    """Read what `find_cars196` found, in whichever layout it is:

    - cars_annos.mat beside car_ims/;
    - cars_train/ and cars_test/ with devkit/cars_meta.mat, cars_train_annos.mat and cars_test_annos_withlabels.mat;
    - one folder a class, named as the class or by its number, perhaps below train/ and test/.
    """
    with open_shelf(places[0]) as shelf:
        if folder_of(shelf, "cars_annos.mat") is not None:
            rows = _annotated(shelf)
        elif folder_of(shelf, "cars_train_annos.mat") is not None:
            rows = _in_halves(shelf)
        else:
            rows = _in_folders(shelf)
        return assemble_official("cars196", shelf, rows, COUNTS, preparation)


def _annotated(shelf: Shelf) -> list[Row]:
    top = folder_of(shelf, "cars_annos.mat") or ()
    content = _matlab(shelf, (*top, "cars_annos.mat"))
    names = _names(content, shelf)
    return [
        ((*top, *str(entry["relative_im_path"]).split("/")), *_class_and_part(int(entry["class"]), names))
        for entry in _entries(content, shelf)
    ]


def _in_halves(shelf: Shelf) -> list[Row]:
    names = _names(_matlab(shelf, _must_find(shelf, "cars_meta.mat")), shelf)
    rows: list[Row] = []
    for folder, listed in HALVES.items():
        top = next((path[: path.index(folder) + 1] for path in shelf.paths if folder in path[:-1]), (folder,))
        for entry in _entries(_matlab(shelf, _must_find(shelf, listed)), shelf):
            rows.append(((*top, str(entry["fname"])), *_class_and_part(int(entry["class"]), names)))
    return rows


def _in_folders(shelf: Shelf) -> list[Row]:
    rows: list[Row] = []
    for path in image_paths(shelf):
        if len(path) < 2:
            raise InputError(f"{'/'.join(path)} in {shelf.name} does not lie in the folder of a class")
        name = path[-2]
        digits = name.partition(".")[0]
        first = int(digits) <= LAST_TRAINING_CLASS if digits.isdigit() else name < FIRST_TEST_NAME
        rows.append((path, name, "train" if first else "test"))
    return rows


def _class_and_part(number: int, names: list[str]) -> tuple[str, str]:
    if not 1 <= number <= len(names):
        raise InputError(f"an annotation of cars196 has the class {number}; there are names for 1 to {len(names)}")
    return names[number - 1], "train" if number <= LAST_TRAINING_CLASS else "test"


def _must_find(shelf: Shelf, name: str) -> Parts:
    folder = folder_of(shelf, name)
    if folder is None:
        raise InputError(f"{shelf.name} has no {name}, which holds the classes of its images")
    return (*folder, name)


def _matlab(shelf: Shelf, path: Parts) -> dict[str, Any]:
    need("scipy", extra="train", purpose="reading the lists of Cars196")
    from scipy.io import loadmat  # a tenth of a second that only this reader needs

    data = shelf.read(path)
    try:
        return dict(loadmat(io.BytesIO(data), simplify_cells=True))  # type: ignore[arg-type]  # files are right too
    except Exception as error:  # a damaged file raises errors of many kinds
        raise InputError(f"{'/'.join(path)} in {shelf.name} cannot be read as a MATLAB file: {error}") from error


def _names(content: dict[str, Any], shelf: Shelf) -> list[str]:
    """The class names in the published order, in which the number of a class is its place."""
    names = content.get("class_names")
    if names is None:
        raise InputError(f"the annotations of cars196 in {shelf.name} have no class_names")
    return [str(name) for name in names]


def _entries(content: dict[str, Any], shelf: Shelf) -> list[dict[str, Any]]:
    entries = content.get("annotations")
    if entries is None:
        raise InputError(f"the annotations of cars196 in {shelf.name} have no field annotations")
    found = [entries] if isinstance(entries, dict) else list(entries)
    for entry in found:
        if "class" not in entry:
            raise InputError(f"the annotations of cars196 in {shelf.name} come without classes; take the file with labels")
    return found
