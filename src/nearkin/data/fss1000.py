"""FSS-1000: 1,000 classes of ten photos, each with a mask of its object; photos are cut to the box of their mask.

Source: Li, Wei, Chen, Tai and Tang, "FSS-1000: A 1000-Class Dataset for Few-Shot Segmentation", CVPR 2020; document 002. A
class is a folder of fewshot_data with 1.jpg to 10.jpg and 1.png to 10.png. It comes without a split for classification.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError
from nearkin.data.decoding import Picture
from nearkin.data.folders import picture
from nearkin.data.images import ImageSet
from nearkin.data.official import Counts, Row, assemble_official, first_there, image_paths
from nearkin.data.opening import Opened
from nearkin.data.preparing import Preparation
from nearkin.data.shelves import Parts, Shelf, open_shelf

COUNTS: Counts = {None: (10000, 1000)}
EACH = 10
SIZE = (224, 224)
NAME = "fewshot_data"


def find_fss1000(folder: Path) -> tuple[Path, ...] | None:
    """The folder fewshot_data or a zip of it in `folder`; None where neither is there."""
    if folder.name == NAME and folder.is_dir():
        return (folder,)
    return first_there(folder, NAME, f"{NAME}.zip", "FSS-1000.zip", "fss1000.zip")


def read_fss1000(places: tuple[Path, ...], preparation: Preparation) -> ImageSet:
    """Read what `find_fss1000` found: photos cut to the box of their mask and, unless another size is asked for, brought to
    224 x 224, stretched or (`pad`) with a black border."""
    preparation = preparation if preparation.size is not None else replace(preparation, size=SIZE)
    with open_shelf(places[0]) as shelf:
        notes = ["photos are cut to the box of their mask"]
        rows = _rows(shelf, preparation.allow_part, notes)
        top = (NAME,) if all(path[0] == NAME for path, _, _ in rows) else ()
        return assemble_official("fss1000", shelf, rows, COUNTS, preparation, top=top, notes=notes, opened=_cut)


@dataclass(frozen=True)
class Cut:
    """A photo within the box of its mask."""

    photo: Picture
    mask: Picture

    def __call__(self) -> Opened:
        opened, mask = self.photo(), self.mask().pixels
        if opened.pixels.shape[:2] != mask.shape[:2]:
            high, wide = opened.pixels.shape[:2]
            raise InputError(
                f"{self.photo.name} has {high} x {wide} pixels and its mask {self.mask.name} {mask.shape[0]} x {mask.shape[1]}; "
                "a mask has the size of its photo"
            )
        top, bottom, left, right = box_of(mask)
        return replace(opened, pixels=np.ascontiguousarray(opened.pixels[top:bottom, left:right]))


def box_of(mask: NDArray[Any]) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of the foreground of a mask (H, W, C), top and left inclusive, bottom and right exclusive.

    Foreground is where any channel is above half of the mask's largest value, whatever stands for white. A mask without any
    gives the whole image.
    """
    largest = int(mask.max(initial=0))
    found = 2 * mask.max(2).astype(np.int64) > largest if largest else np.ones(mask.shape[:2], dtype=bool)
    rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _cut(shelf: Shelf, path: Parts) -> Cut:
    return Cut(picture(shelf, path), picture(shelf, _mask_of(path)))


def _mask_of(path: Parts) -> Parts:
    return (*path[:-1], f"{Path(path[-1]).stem}.png")


def _rows(shelf: Shelf, allow_part: bool, notes: list[str]) -> list[Row]:
    """Photos that have a mask, each with its class."""
    photos = [path for path in image_paths(shelf) if path[-1].casefold().endswith((".jpg", ".jpeg"))]
    if not photos:
        raise InputError(f"{shelf.name} holds no photos; FSS-1000 has {NAME}/CLASS/1.jpg to 10.jpg, each with its mask 1.png to 10.png")
    for path in photos:
        if len(path) < 2:
            raise InputError(f"{'/'.join(path)} in {shelf.name} does not lie in the folder of a class")
    there = set(shelf.paths)
    bare = [path for path in photos if _mask_of(path) not in there]
    _said(f"photos have no mask beside them, such as {'/'.join(bare[0])} (a mask is {_mask_of(bare[0])[-1]})" if bare else "", bare, shelf, allow_part, notes)
    counts = Counter(path[-2] for path in photos)
    uneven = [name for name, count in counts.items() if count != EACH]
    _said(f"classes have not {EACH} photos, such as {uneven[0]!r} with {counts[uneven[0]]}" if uneven else "", uneven, shelf, allow_part, notes)
    return [(path, path[-2], None) for path in photos if _mask_of(path) in there]


def _said(words: str, found: list[Any], shelf: Shelf, allow_part: bool, notes: list[str]) -> None:
    """What is wrong with a tree is an error, or a note where only a part of it is meant."""
    if not found:
        return
    if not allow_part:
        raise InputError(
            f"fss1000 in {shelf.name} is not the published set: {len(found)} {words}; "
            "get it again (nearkin data says how), or say that a part of it is meant (allow_part)"
        )
    notes.append(f"{len(found)} {words}")
