"""A file is the old one or the new one: after an error, a kill, or several writers at once."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from nearkin.core import content_hash, write_atomically, write_json

WRITE_FOR_EVER = """
import sys
from nearkin.core import write_atomically
letters = b"ab"
print("ready", flush=True)
step = 0
while True:
    step += 1
    write_atomically(sys.argv[1], letters[step % 2 : step % 2 + 1] * 300_000)
"""


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("content", "written"),
    [
        (b"\x00\xff", b"\x00\xff"),
        ("grün\n", "grün\n".encode()),
        (lambda file: file.write(b"by hand"), b"by hand"),
        (b"", b""),
    ],
    ids=["bytes", "text", "function", "nothing"],
)
def test_what_is_given_is_what_the_file_holds(tmp_path, content, written):
    path = write_atomically(tmp_path / "new" / "folders" / "file", content)
    assert path == tmp_path / "new" / "folders" / "file"
    assert path.read_bytes() == written
    assert names_in(path.parent) == ["file"]


def test_an_array_can_be_saved_and_loaded(tmp_path):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    path = write_atomically(str(tmp_path / "x.npy"), lambda file: np.save(file, values))
    assert isinstance(path, Path)
    np.testing.assert_array_equal(np.load(path), values)


@pytest.mark.parametrize("fault", [RuntimeError("disk"), KeyboardInterrupt()], ids=["error", "interruption"])
def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, fault):
    path = write_atomically(tmp_path / "results.json", "old")

    def write_half(file):
        file.write(b"new, but on")
        raise fault

    with pytest.raises(type(fault)):
        write_atomically(path, write_half)
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["results.json"]


def test_a_file_that_cannot_be_replaced_leaves_nothing_half_written(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):
        write_atomically(tmp_path / "taken", "text")
    assert names_in(tmp_path) == ["taken"]


def test_the_new_file_is_on_disk_before_it_takes_the_name(tmp_path, monkeypatch):
    calls = []
    flush, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("flush"), flush(handle)))
    monkeypatch.setattr(os, "replace", lambda old, new: (calls.append("rename"), replace(old, new)))
    write_atomically(tmp_path / "file", "text")
    assert calls == ["flush", "rename", "flush"]  # the file, its name, the folder


@pytest.mark.parametrize("round", range(3))
def test_a_kill_leaves_a_whole_file(tmp_path, round):
    target = tmp_path / "file"
    process = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, str(target)], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        deadline = time.monotonic() + 30
        while not target.exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.02 + 0.017 * round)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert target.read_bytes() in (b"a" * 300_000, b"b" * 300_000)
    assert all(name == "file" or (name.startswith(".file.") and name.endswith(".part")) for name in names_in(tmp_path))


def test_writers_at_once_leave_one_of_their_files(tmp_path):
    contents = [letter * 200_000 for letter in "abcdefgh"]
    threads = [threading.Thread(target=write_atomically, args=(tmp_path / "file", text)) for text in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file").read_text() in contents
    assert names_in(tmp_path) == ["file"]


def test_permissions_follow_the_umask_of_the_process(tmp_path):
    code = (
        "import os, sys; from nearkin.core import write_atomically; "
        "os.umask(0o027); write_atomically(sys.argv[1], 'x'); assert os.umask(0) == 0o027"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "file")], check=True)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path):
    assert write_atomically(tmp_path / ("n" * 255), "x").read_text() == "x"


def test_json_is_readable_and_exact(tmp_path):
    value = {"name": "größer <script>", "score": 0.1 + 0.2, "none": None, "list": [1, 2]}
    text = write_json(tmp_path / "x.json", value).read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert "größer <script>" in text
    assert text.endswith("}\n")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}], ids=repr)
def test_what_is_not_json_is_refused_and_the_old_file_stays(tmp_path, value):
    path = write_json(tmp_path / "x.json", {"old": 1})
    with pytest.raises((ValueError, TypeError)):
        write_json(path, {"score": value})
    assert json.loads(path.read_text()) == {"old": 1}
    assert names_in(tmp_path) == ["x.json"]


def test_a_hash_knows_where_its_parts_end():
    assert content_hash("ab", "c") != content_hash("a", "bc") != content_hash("abc")
    assert content_hash("é") == content_hash("é".encode())
    assert content_hash() != content_hash("")
    assert len(content_hash("x")) == 64


def test_a_full_disk_names_the_file_that_had_no_room(tmp_path):
    def full(file):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left on device") as caught:
        write_atomically(tmp_path / "results.csv", full)
    assert caught.value.filename == str(tmp_path / "results.csv")
    assert not list(tmp_path.iterdir())
