"""The ORL (AT&T) faces: ten grey photos, 112 x 92, of each of 40 people."""

from __future__ import annotations

from pathlib import Path

from nearkin.data.folders import read_folder
from nearkin.data.images import ImageSet
from nearkin.data.preparing import Preparation

ARCHIVES = ("orl_faces.zip", "att_faces.zip", "faces.zip")


def find_faces(folder: Path) -> tuple[Path, ...] | None:
    """The archive in `folder`, or `folder` itself where it holds s1 and s2; None where neither is there."""
    for name in ARCHIVES:
        if (folder / name).is_file():
            return (folder / name,)
    return (folder,) if (folder / "s1").is_dir() and (folder / "s2").is_dir() else None


def read_faces(places: tuple[Path, ...], preparation: Preparation) -> ImageSet:
    """Read what `find_faces` found; a class is a person, "s1" to "s40"."""
    return read_folder(places[0], preparation, name="faces")
