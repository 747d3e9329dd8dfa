"""A disk without room: changes fail with a clear error, what was acknowledged stays, and reading goes on."""

from __future__ import annotations

import errno
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from gallery.made import entry, expected, held, image_hash, store_in, vector
from nearkin.decision import Space
from nearkin.gallery import Store


def fill(path: Path) -> None:
    """Write until no byte is left."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def noisy(number: int) -> bytes:
    return np.random.default_rng(number).bytes(4000)


def test_on_a_full_disk_nothing_is_lost_and_every_change_says_so(small_disk):
    folder = small_disk / "g"
    kept = {number: f"label {number % 3}" for number in range(60)}
    store = store_in(folder, kept)
    for first in range(100, 3000, 20):
        batch = {number: "dog" for number in range(first, first + 20)}
        try:
            store.add([entry(number, label, thumbnail=noisy(number)) for number, label in batch.items()])
        except OSError as error:
            assert "no room is left on the disk; nothing of this change was kept" in str(error)
            assert error.errno == errno.ENOSPC
            break
        kept |= batch
    assert 200 < len(kept) < 2000
    assert shutil.disk_usage(small_disk).free < 1 << 16
    before, last = held(store), store.revision()
    assert before == expected(kept)
    for change in (
        lambda: store.remove(label="label 1"),
        lambda: store.relabel(label="label 1", to="x"),
        lambda: store.calibrate({"threshold": 1}),
        lambda: store.rollback(1),
        lambda: store.purge(label="dog"),
        lambda: store.add([entry(9000)]),
        lambda: Store.create(small_disk / "other", dimension=3, space=Space(), fingerprint="none"),
    ):
        with pytest.raises(OSError, match=r"[Nn]o (room|space)") as told:
            change()
        assert told.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match="No space"):
        fill(small_disk / "filler")
    reader = Store.open(folder)
    assert held(reader) == before
    with pytest.raises(OSError, match="no room is left on the disk"):
        store.remove(label="label 1")
    assert reader.search(vector(7)[None], 1).distances.tolist() == [[0.0]]
    assert reader.check() == []
    subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
    assert held(store) == before
    assert store.revision() == last
    assert store.check() == []
    assert store.remove(hashes=[image_hash(7)]).removed == 1
