"""Data sets with a public address brought to this machine: resumed where they broke off, and kept only if they are right."""

from __future__ import annotations

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from nearkin.core import InputError, pick
from nearkin.core.turn import turn
from nearkin.data.catalogue import CATALOGUE, data_root
from nearkin.data.entry import RemoteFile

Progress = Callable[[str, int, int | None], None]
_ATTEMPTS = 5
_CHUNK = 1 << 16
_SECONDS = 30
_PAUSE = 0.5


class DownloadError(RuntimeError):
    """A file could not be downloaded, or is not the published one. What arrived of it so far is kept where it helps."""


def fetch(
    name: str, root: Path | str | None = None, progress: Progress | None = None, base_url: str | None = None
) -> Path:
    """Download the data set `name` of the catalogue; returns its folder, `root`/`name`.

    root : the folder of data sets. Default: `data_root()`.
    progress : called as progress(file, bytes so far, bytes in all or None) while a file arrives.
    base_url : another address that holds the files (a mirror). Default: the addresses of the catalogue.

    A file is written to `<file>.part`, continued from there after an interruption (also by the next call), compared
    with its published checksum and only then given its name. Files that are there and right are not fetched again. Of several
    processes one downloads a set and the others wait for it.
    Raises InputError where the data set has no public address, or another file stands in its place; DownloadError where
    the connection fails again and again, or the content is wrong.
    """
    entry = pick("dataset", CATALOGUE, name)
    if not entry.remote:
        raise InputError(f"the data set {name!r} cannot be fetched: {entry.advice}")
    folder = Path(root or data_root()) / name
    for remote in entry.remote:
        address = remote.address if base_url is None else f"{base_url.rstrip('/')}/{remote.name}"
        if urlsplit(address).scheme not in ("http", "https"):
            raise InputError(f"base_url must begin with http:// or https://, got {base_url!r}")
        _fetch_file(folder / remote.name, address, remote, progress or _silent)
    return folder


def _silent(name: str, done: int, total: int | None) -> None:
    """Progress for nobody."""


def _fetch_file(target: Path, address: str, remote: RemoteFile, progress: Progress) -> None:
    folder = target.parent
    if not _is_there(target, remote, progress):
        with turn(folder.with_name(f".{folder.name}.lock")):
            if not _is_there(target, remote, progress):
                folder.mkdir(parents=True, exist_ok=True)
                _fetch_missing(target, address, remote, progress)


def _is_there(target: Path, remote: RemoteFile, progress: Progress) -> bool:
    if not target.exists():
        return False
    if _checksum(target, remote) != remote.checksum:
        raise InputError(f"{target} is there, but is not the published file; remove it to fetch it again")
    progress(remote.name, target.stat().st_size, target.stat().st_size)
    return True


def _fetch_missing(target: Path, address: str, remote: RemoteFile, progress: Progress) -> None:
    part = target.with_name(f"{target.name}.part")
    resumed = part.exists()
    _download(part, address, remote, progress)
    if (
        _checksum(part, remote) != remote.checksum and resumed
    ):  # an old part of something else: once more from the start
        part.unlink()
        _download(part, address, remote, progress)
    found = _checksum(part, remote)
    if found != remote.checksum:
        part.unlink()
        raise DownloadError(f"{address} is not the published file: its checksum is {found}, not {remote.checksum}")
    os.replace(part, target)


def _download(part: Path, address: str, remote: RemoteFile, progress: Progress) -> None:
    """Fill `part` with all that the server has, going on where a connection broke off."""
    fruitless = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _transfer(part, address, remote.name, progress)
            return
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                raise DownloadError(f"{address} answered {error.code} {error.reason}") from None
            fruitless = 0 if part.exists() and part.stat().st_size > before else fruitless + 1
            if fruitless == _ATTEMPTS:
                raise DownloadError(f"{address} cannot be downloaded: {error}; run it again to go on") from error
            time.sleep(_PAUSE * fruitless)


def _transfer(part: Path, address: str, name: str, progress: Progress) -> None:
    """One connection: append what is missing, or begin anew where the server knows no ranges."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"User-Agent": "nearkin", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        answer = urllib.request.urlopen(request, timeout=_SECONDS)
    except urllib.error.HTTPError as error:
        with error:
            if have and error.code == 416:  # nothing follows: the part is whole, or too long; the checksum will tell
                return
        raise
    with answer, part.open("ab") as file:
        if have and not _continues(answer, have):
            file.truncate(0)
            have = 0
        length = answer.headers.get("Content-Length")
        _copy(answer, file, have, None if length is None else have + int(length), name, progress)


def _continues(answer: http.client.HTTPResponse, have: int) -> bool:
    return answer.status == 206 and str(answer.headers.get("Content-Range", "")).startswith(f"bytes {have}-")


def _copy(
    answer: http.client.HTTPResponse, file: IO[bytes], done: int, total: int | None, name: str, progress: Progress
) -> None:
    progress(name, done, total)
    while chunk := answer.read(_CHUNK):
        file.write(chunk)
        file.flush()
        done += len(chunk)
        progress(name, done, total)
    os.fsync(file.fileno())
    if total is not None and done < total:
        raise http.client.IncompleteRead(b"", total - done)


def _checksum(path: Path, remote: RemoteFile) -> str:
    """The checksum of a file by the method of the published one, written as that is."""
    method = remote.checksum.partition(":")[0]
    with path.open("rb") as file:
        return f"{method}:{hashlib.file_digest(file, method).hexdigest()}"
