"""What the catalogue knows of a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nearkin.data.images import ImageSet
from nearkin.data.preparing import Preparation

Places = tuple[Path, ...]


@dataclass(frozen=True)
class RemoteFile:
    """A file with a public address; `checksum` is "sha256:..." or, where only that is published, "md5:..."."""

    name: str
    address: str
    checksum: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One data set of the catalogue; `folders` are tried in turn below the data root.

    `shape` is (C, H, W), or None where the images are of many sizes. Without `remote`, `advice` says how to get it by hand.
    """

    description: str
    images: int
    classes: int
    shape: tuple[int, int, int] | None
    licence: str
    read: Callable[[Places, Preparation], ImageSet]
    find: Callable[[Path], Places | None] | None = None
    folders: tuple[str, ...] = ()
    contents: str = ""
    remote: tuple[RemoteFile, ...] = ()
    advice: str = ""
