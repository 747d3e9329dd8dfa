"""Downloads from a local server: resumed where they broke off, whole or absent, refused when they are not the right file."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nearkin.core import InputError
from nearkin.data import CATALOGUE, DownloadError, fetch, fetching
from nearkin.data.catalogue import RemoteFile

FILES = {f"file{number}.gz": bytes(range(256)) * 1200 + bytes([number]) for number in (1, 2)}


@dataclass
class Manners:
    """How the server behaves, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    ranges: bool = True
    drop_after: int | None = None  # bytes of a connection after which it breaks off
    drops: int = 10**9  # how many connections break off
    status: int | None = None
    pause: float = 0.0
    says_length: bool = True
    requests: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def manners():
    return Manners()


@pytest.fixture
def address(manners, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(fetching, "_PAUSE", 0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range")
            manners.requests.append((self.path, asked))
            content = manners.files.get(self.path.rpartition("/")[2])
            if manners.status or content is None:
                self.send_error(manners.status or 404)
                return
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and manners.ranges else 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if manners.says_length:
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self._send(content[start:])

        def _send(self, body: bytes):
            drop = manners.drop_after is not None and manners.drops > 0
            if drop:
                manners.drops -= 1
                body = body[: manners.drop_after]
            for place in range(0, len(body), 8192):
                self.wfile.write(body[place : place + 8192])
                time.sleep(manners.pause)

        def log_message(self, *_):
            """Nothing on the terminal of the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/sets"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def small_set(monkeypatch):
    remote = tuple(
        RemoteFile(name, f"http://127.0.0.1:9/{name}", f"{method}:{hashlib.new(method, content).hexdigest()}")
        for method, (name, content) in zip(("sha256", "md5"), FILES.items(), strict=True)
    )
    monkeypatch.setitem(CATALOGUE, "small", replace(CATALOGUE["mnist"], remote=remote))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_arrive_whole_with_progress(tmp_path, address, manners):
    seen = []
    folder = fetch("small", tmp_path, lambda *step: seen.append(step), address)
    assert folder == tmp_path / "small"
    assert contents(folder) == FILES
    for name, content in FILES.items():
        steps = [(done, total) for file, done, total in seen if file == name]
        assert steps[0] == (0, len(content))
        assert steps[-1] == (len(content), len(content))
        assert steps == sorted(steps)
    assert manners.requests == [(f"/sets/{name}", None) for name in FILES]


def test_what_is_there_is_not_fetched_again(tmp_path, address, manners):
    fetch("small", tmp_path, base_url=address)
    manners.requests.clear()
    fetch("small", tmp_path, base_url=address)
    assert manners.requests == []


def test_a_connection_dropped_in_the_middle_is_resumed(tmp_path, address, manners):
    manners.drop_after, manners.drops = 100_000, 2
    assert contents(fetch("small", tmp_path, base_url=address)) == FILES
    asked = [range_ for path, range_ in manners.requests if path.endswith("file1.gz")]
    assert asked == [None, "bytes=100000-", "bytes=200000-"]


def test_a_part_of_an_earlier_call_is_continued(tmp_path, address, manners):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "file1.gz.part").write_bytes(FILES["file1.gz"][:1000])
    assert contents(fetch("small", tmp_path, base_url=address)) == FILES
    assert manners.requests[0] == ("/sets/file1.gz", "bytes=1000-")


def test_a_whole_part_only_needs_its_name(tmp_path, address, manners):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "file1.gz.part").write_bytes(FILES["file1.gz"])
    assert contents(fetch("small", tmp_path, base_url=address)) == FILES


@pytest.mark.parametrize("part", [b"something else", b"x" * 400_000])
def test_a_part_of_something_else_is_started_anew(tmp_path, address, part):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "file1.gz.part").write_bytes(part)
    assert contents(fetch("small", tmp_path, base_url=address)) == FILES


def test_a_server_without_ranges_is_asked_for_everything(tmp_path, address, manners):
    manners.ranges = False
    manners.drop_after, manners.drops = 100_000, 1
    assert contents(fetch("small", tmp_path, base_url=address)) == FILES


def test_a_server_that_gives_no_length_is_fine(tmp_path, address, manners):
    manners.says_length = False
    seen = []
    assert contents(fetch("small", tmp_path, lambda *step: seen.append(step), address)) == FILES
    assert {total for _, _, total in seen} == {None}


@pytest.mark.parametrize("name", list(FILES))
def test_wrong_content_is_refused_and_not_kept(tmp_path, address, manners, name):
    manners.files[name] = b"<html>log in first</html>"
    with pytest.raises(DownloadError, match=rf"{name} is not the published file: its checksum is"):
        fetch("small", tmp_path, base_url=address)
    assert name not in contents(tmp_path / "small")
    assert f"{name}.part" not in contents(tmp_path / "small")


def test_another_file_in_its_place_is_left_alone(tmp_path, address):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "file1.gz").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"file1\.gz is there, but is not the published file"):
        fetch("small", tmp_path, base_url=address)
    assert (tmp_path / "small" / "file1.gz").read_bytes() == b"mine"


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (403, 1), (503, 5)])
def test_a_refusal_is_said_and_only_trouble_is_tried_again(tmp_path, address, manners, status, tries):
    manners.status = status
    with pytest.raises(DownloadError, match=str(status)):
        fetch("small", tmp_path, base_url=address)
    assert len(manners.requests) == tries
    assert contents(tmp_path / "small") == {}


def test_a_connection_that_never_gives_anything_ends_in_words(tmp_path, address, manners):
    manners.drop_after = 0
    with pytest.raises(DownloadError, match="run it again to go on"):
        fetch("small", tmp_path, base_url=address)


def test_no_server_ends_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "_PAUSE", 0)
    with pytest.raises(DownloadError, match="cannot be downloaded"):
        fetch("small", tmp_path, base_url="http://127.0.0.1:9")


def test_sets_without_an_address_and_unknown_ones_are_refused(tmp_path):
    with pytest.raises(InputError, match="'faces' cannot be fetched: its publisher gives no checksum"):
        fetch("faces", tmp_path)
    with pytest.raises(InputError, match="'digits' cannot be fetched: it comes with scikit-learn"):
        fetch("digits", tmp_path)
    with pytest.raises(InputError, match="did you mean 'mnist'"):
        fetch("mnits", tmp_path)
    with pytest.raises(InputError, match="must begin with http"):
        fetch("small", tmp_path, base_url="file:///etc")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_download_leaves_no_half_file_and_goes_on(tmp_path, address, manners):
    """Kill a downloading process at several moments; what has its name is whole, and the rest is resumed."""
    manners.pause = 0.005
    checksum = CATALOGUE["small"].remote[0].checksum
    program = (
        "import sys; from dataclasses import replace; from nearkin.data import CATALOGUE, fetch\n"
        "from nearkin.data.catalogue import RemoteFile\n"
        f"remote = (RemoteFile('file1.gz', 'http://unused/', {checksum!r}),)\n"
        "CATALOGUE['small'] = replace(CATALOGUE['mnist'], remote=remote)\n"
        "fetch('small', sys.argv[1], lambda name, done, total: print(done, flush=True), sys.argv[2])\n"
    )
    target = tmp_path / "small" / "file1.gz"
    for _ in range(3):
        command = [sys.executable, "-c", program, str(tmp_path), address]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            first = int(process.stdout.readline())
            while int(process.stdout.readline()) < first + 60_000:
                pass
            process.kill()
        assert not target.exists()
    assert [range_ is not None for _, range_ in manners.requests] == [False, True, True]
    manners.pause = 0
    assert contents(fetch("small", tmp_path, base_url=address)) == FILES


def test_of_several_who_fetch_at_once_one_downloads_and_the_others_wait(tmp_path, address, manners):
    manners.pause = 0.002
    done = []
    threads = [threading.Thread(target=lambda: done.append(fetch("small", tmp_path, None, address))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [tmp_path / "small"] * 3
    assert contents(tmp_path / "small") == FILES
    assert sorted(path for path, _ in manners.requests) == [f"/sets/{name}" for name in FILES]


def test_a_set_that_is_there_asks_for_no_lock(tmp_path, address):
    fetch("small", tmp_path, None, address)
    (tmp_path / ".small.lock").unlink()
    fetch("small", tmp_path, None, address)
    assert not (tmp_path / ".small.lock").exists()  # the folder may be read-only
