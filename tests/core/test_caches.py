"""Caches say how large they are, and can be emptied at any time without harm."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from nearkin.core import InputError
from nearkin.core.caches import CACHES, DAY, cache_folder, clear_cache, kept_in


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "nearkin"


def write(path: Path, size: int, age: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    for each in (path, path.parent):
        os.utime(each, (time.time() - age,) * 2)
    return path


def test_a_cache_that_is_not_there_holds_nothing() -> None:
    for name in CACHES:
        assert kept_in(name) == clear_cache(name) == (cache_folder(name), 0, 0)


def test_sizes_count_every_file_and_finished_entries() -> None:
    write(cache_folder("pixels") / "a" / "pixels.1", 700)
    write(cache_folder("pixels") / "a" / "facts.json", 30)
    write(cache_folder("pixels") / "b.1234.part" / "pixels", 5)
    write(cache_folder("features") / "c.safetensors", 11)
    assert kept_in("pixels")[1:] == (1, 735)
    assert kept_in("features")[1:] == (1, 11)


def test_clearing_leaves_what_is_being_made_and_what_was_downloaded(cache: Path) -> None:
    for finished in ("a/pixels.1", "b/pixels.1"):
        write(cache_folder("pixels") / finished, 10)
    making = write(cache_folder("pixels") / "c.77.part" / "pixels", 10)
    left = write(cache_folder("pixels") / "d.78.part" / "pixels", 10, age=DAY + 60)
    other = write(cache_folder("features") / "e.safetensors", 10)
    downloaded = write(cache / "data" / "mnist" / "images.gz", 10)
    assert clear_cache("pixels")[1:] == (2, 30)
    assert [path.exists() for path in (making, left, other, downloaded)] == [True, False, True, True]
    assert kept_in("pixels")[1:] == (0, 10)
    assert clear_cache("features")[1:] == (1, 10)
    assert downloaded.exists()


def test_an_unknown_cache_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="did you mean 'pixels'"):
        clear_cache("pixel")
