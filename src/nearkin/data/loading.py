"""One call for every source of images: a name of the catalogue, a folder, a zip or a CSV."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from nearkin.core import InputError, InputTypeError, suggestion
from nearkin.data.catalogue import CATALOGUE, must_be_located
from nearkin.data.folders import read_folder
from nearkin.data.images import ImageSet
from nearkin.data.preparing import Preparation
from nearkin.data.tables import read_table


def load_images(
    source: str | PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    value_range: tuple[float, float] | None = None,
    skip_bad: bool = False,
    limit_per_class: int | None = None,
    allow_part: bool = False,
    pad: bool = False,
) -> ImageSet:
    """Load labelled images into memory.

    source : a name of `CATALOGUE` ("digits", "mnist", ...), or the path of a folder or zip with one folder a class, or
        of a CSV with the columns path, label and optionally split, group, query and gallery. A name goes before a path of that name;
        write "./digits" for the folder.
    size : (height, width) in pixels to which every image is stretched; needed where they differ. Default: as they are.
    channels : 1 (grey) or 3 (RGB). Default: as they are, with grey raised to RGB where the set holds both.
    value_range : the values that mean black and white. Default: the container's whole range, (0, 255) or (0, 65535).
        A set that uses under a quarter of it says so in its notes. Values are never clipped.
    skip_bad : go on without images that cannot be read, and list them in the notes. Default: they are an error.
    limit_per_class : keep the first so many images of each class, in each part of an official split. Default: all.
    allow_part : go on where a published data set of photos is only partly there, with a note. Default: it is an error,
        because numbers measured on a part cannot be compared with published ones.
    pad : bring images to `size` with their own aspect ratio, in the middle of black. Default: they are stretched.

    Classes and images come in natural order whatever the file system says; class names are literal text.
    Raises InputError for a missing or damaged source, an image that cannot be read, differing sizes, a single class.
    """
    preparation = Preparation(
        size=size,
        channels=channels,
        value_range=value_range,
        skip_bad=skip_bad,
        limit_per_class=limit_per_class,
        allow_part=allow_part,
        pad=pad,
    )
    if not isinstance(source, str | PathLike):
        raise InputTypeError(f"images come from a name or a path, got {source!r}")
    if source == "":
        raise InputError("images come from a name or a path, got ''; write '.' for the current folder")
    if isinstance(source, str) and source in CATALOGUE:
        return CATALOGUE[source].read(must_be_located(source), preparation)
    path = Path(source).expanduser()
    if not path.exists() and str(source) in CATALOGUE:
        raise InputError(
            f"there is no file or folder {str(source)!r} here; a {type(source).__name__} is always a path: "
            f"write the name as text, load_images({str(source)!r}), for the data set"
        )
    if not path.exists():
        raise InputError(
            f"{str(source)!r} is neither a data set ({', '.join(CATALOGUE)}) nor an existing path"
            f"{suggestion(source, CATALOGUE)}"
        )
    if path.is_dir() or path.suffix.casefold() == ".zip":
        return read_folder(path, preparation)
    if path.suffix.casefold() == ".csv":
        return read_table(path, preparation)
    raise InputError(f"{path} is neither a folder nor a .zip nor a .csv of images")
