"""Whatever a person names becomes images in a natural order, and every file that is none is named and counted."""

from __future__ import annotations

import io
import os
import unicodedata
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from nearkin.core import InputError
from nearkin.gallery.collecting import collect
from nearkin.gallery.reading import BATCH, read_rows, thumbnail


class Means:
    """An embedding that is the mean of each third of the rows: enough to tell pictures apart."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def embed(self, images: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        self.batches.append(len(images))
        return np.array([[part.mean() for part in np.array_split(image, 3)] for image in images], dtype=np.float32)


def picture(shade: int = 100, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> Image.Image:
    values = np.linspace(0, 255, size[0] * size[1] * 3).reshape(size[1], size[0], 3).astype(np.uint8)
    values[0, 0] = shade
    return Image.fromarray(values).convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def put(place: Path, *names: str) -> Path:
    for shade, name in enumerate(names):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        picture(shade).save(place / name)
    return place


def bomb() -> bytes:
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")


BAD: dict[str, Callable[[], bytes]] = {
    "truncated.png": lambda: encoded(picture(size=(60, 40)))[:-300],
    "truncated.jpg": lambda: encoded(picture(size=(200, 200)), "JPEG")[:900],
    "empty.png": lambda: b"",
    "text.jpg": lambda: b"these are words, no picture",
    "bomb.png": bomb,
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_with_its_reason(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(BAD[name]())
    with pytest.raises(InputError, match=name):
        list(read_rows(collect(tmp_path / name), Means()))


def test_all_bad_files_are_named_and_counted_at_once(tmp_path: Path) -> None:
    put(tmp_path, "good.png")
    for name, content in BAD.items():
        (tmp_path / name).write_bytes(content())
    with pytest.raises(InputError) as caught:
        list(read_rows(collect(tmp_path), Means()))
    said = str(caught.value)
    assert said.startswith(f"{len(BAD)} of {len(BAD) + 1} images cannot be read")
    assert all(name in said for name in BAD)
    assert "--skip-bad" in said


def test_bad_files_can_be_left_out_and_are_listed(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "a/2.png")
    (tmp_path / "a" / "3.png").write_bytes(b"")
    found = collect(tmp_path, labelled=True, skip_bad=True)
    assert [Path(row.photo.name).name for row in read_rows(found, Means())] == ["1.png", "2.png"]
    assert [Path(name).name for name, _ in found.bad] == ["3.png"]


def test_nothing_but_bad_files_is_an_error_even_where_they_are_left_out(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="2 of 2"):
        list(read_rows(collect(tmp_path, skip_bad=True), Means()))


UNUSUAL: dict[str, Callable[[], bytes]] = {
    "sixteen.png": lambda: encoded(Image.fromarray(np.linspace(0, 65535, 24).reshape(4, 6).astype(np.uint16))),
    "cmyk.jpg": lambda: encoded(picture(mode="CMYK"), "JPEG"),
    "palette.png": lambda: encoded(picture(mode="P")),
    "animated.gif": lambda: encoded(picture(1), "GIF", save_all=True, append_images=[picture(200)]),
    "transparent.png": lambda: encoded(picture(mode="RGBA")),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_images_are_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(UNUSUAL[name]())
    (row,) = read_rows(collect(tmp_path / name), Means(), thumbnails=True)
    assert (row.width, row.height) == (6, 4)
    assert Image.open(io.BytesIO(row.thumbnail)).size == (6, 4)


def test_a_photo_that_lies_on_its_side_is_the_upright_one(tmp_path: Path) -> None:
    upright = picture(size=(6, 4))
    upright.save(tmp_path / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.rotate(90, expand=True).save(tmp_path / "lying.png", exif=exif)
    first, second = read_rows(collect(tmp_path), Means())
    assert first.hash == second.hash
    assert (first.width, first.height) == (6, 4)


def test_the_class_is_the_first_folder_below_those_that_all_share(tmp_path: Path) -> None:
    put(tmp_path, "photos/cat/1.png", "photos/cat/2019/spring/2.png", "photos/dog/2019/3.png")
    found = collect(tmp_path, labelled=True)
    assert [photo.label for photo in found.photos] == ["cat", "cat", "dog"]


def test_folders_are_read_in_natural_order_without_hidden_files(tmp_path: Path) -> None:
    put(tmp_path, "s10/1.png", "s2/10.png", "s2/9.png", ".hidden/1.png", "s2/.cache.png", "__MACOSX/1.png")
    (tmp_path / "s2" / "notes.txt").write_text("words")
    found = collect(tmp_path, labelled=True)
    names = [(photo.label, Path(photo.name).name) for photo in found.photos]
    assert names == [("s2", "9.png"), ("s2", "10.png"), ("s10", "1.png")]
    assert "notes.txt" in found.notes[0]


def test_patterns_that_the_shell_left_alone_are_spelled_out(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "a/2.png", "b/3.png")
    assert len(collect(f"{tmp_path}/a/*.png")) == 2
    assert len(collect(f"{tmp_path}/**/*.png")) == 3
    put(tmp_path, "x[1].png", "x1.png")
    assert [Path(photo.name).name for photo in collect(f"{tmp_path}/x[1].png").photos] == ["x[1].png"]
    with pytest.raises(InputError, match="no file or folder matches"):
        collect(f"{tmp_path}/*.tiff")


def test_a_path_that_is_not_there_comes_with_the_nearest(tmp_path: Path) -> None:
    put(tmp_path, "photo.png")
    with pytest.raises(InputError, match="did you mean 'photo.png'"):
        collect(tmp_path / "foto.png")


def test_standard_input_is_an_image_or_a_list_of_paths(tmp_path: Path) -> None:
    put(tmp_path, "a 1.png", "b/2.png")
    assert [photo.name for photo in collect("-", stdin=io.BytesIO(encoded(picture()))).photos] == ["-"]
    for listed in (f"{tmp_path}/a 1.png\n{tmp_path}/b\n", f"{tmp_path}/a 1.png\0{tmp_path}/b\0"):
        names = [photo.name for photo in collect("-", stdin=io.BytesIO(listed.encode())).photos]
        assert names == [f"{tmp_path}/a 1.png", f"{tmp_path}/b/2.png"]
    for nothing, words in ((b"", "is empty"), (b"\xff\x00\xfe", "neither an image"), (b"nowhere.png", "there is no file")):
        with pytest.raises(InputError, match=words):
            collect("-", stdin=io.BytesIO(nothing))


def test_of_a_list_some_paths_may_be_gone(tmp_path: Path) -> None:
    put(tmp_path, "1.png", "2.png")
    listed = f"{tmp_path}/1.png\n{tmp_path}/gone.png\n{tmp_path}/2.png\n".encode()
    with pytest.raises(InputError, match=r"1 of 3 images cannot be read; .*--skip-bad.*\n.*gone\.png cannot be read: No such file"):
        list(read_rows(collect("-", stdin=io.BytesIO(listed)), Means()))
    found = collect("-", stdin=io.BytesIO(listed), skip_bad=True)
    assert [row.photo.name for row in read_rows(found, Means())] == [f"{tmp_path}/1.png", f"{tmp_path}/2.png"]
    assert [Path(name).name for name, _ in found.bad] == ["gone.png"]


def test_a_folder_that_cannot_name_a_class_is_said_with_its_place(tmp_path: Path) -> None:
    put(tmp_path, "fine/1.png", "two\nlines/1.png")
    with pytest.raises(InputError, match=rf"a class folder of {tmp_path} cannot name a class: .*'two\\nlines' holds a control character"):
        collect(tmp_path, labelled=True)


def test_a_zip_is_a_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for name in ("faces/s1/1.png", "faces/s1/2.png", "faces/s2/1.png"):
            archive.writestr(name, encoded(picture(len(name))))
    found = collect(tmp_path / "faces.zip", labelled=True)
    assert [photo.label for photo in found.photos] == ["s1", "s1", "s2"]
    assert len(list(read_rows(found, Means()))) == 3
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match=r"broken\.zip is not a readable zip"):
        collect(tmp_path / "broken.zip")


def test_class_names_may_be_of_any_script_and_of_one_spelling(tmp_path: Path) -> None:
    names = ["ქართული", "日本語", "عربى", "O'Brien & søn; --", "👩‍🔬", "cafe\u0301"]
    put(tmp_path, *(f"{name}/1.png" for name in names))
    found = {photo.label for photo in collect(tmp_path, labelled=True).photos}
    assert found == {unicodedata.normalize("NFC", name) for name in names}
    assert {photo.label for photo in collect(tmp_path, label="cafe\u0301").photos} == {"caf\u00e9"}


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    picture().save(tmp_path / "one.png")
    os.rename(os.fsencode(tmp_path) + b"/one.png", folder + b"/1.png")
    with pytest.raises(InputError, match="not UTF-8"):
        collect(tmp_path, labelled=True)


def test_images_without_a_class_are_refused_with_what_to_do(tmp_path: Path) -> None:
    put(tmp_path, "cat/1.png", "cat/2.png", "train/cat/1.png", "test/cat/1.png")
    with pytest.raises(InputError, match="in no class folder.*--label 'cat'"):
        collect(tmp_path / "cat", labelled=True)
    with pytest.raises(InputError, match="of what class"):
        collect(tmp_path / "cat" / "1.png", labelled=True)
    assert [photo.label for photo in collect(tmp_path / "cat", labelled=True, label="Katze").photos] == ["Katze"] * 2
    with pytest.raises(InputError, match="has the parts test and train"):
        collect(put(tmp_path / "parts", "train/cat/1.png", "test/cat/1.png"), labelled=True)


def test_empty_and_unreadable_folders_are_no_empty_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        collect(tmp_path / "nothing")
    put(tmp_path, "photos/shut/1.png", "photos/open/1.png")
    scan = os.scandir

    def refuses(place: Any) -> Any:
        if str(place).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuses)
    with pytest.raises(InputError, match="shut cannot be read: Permission denied"):
        collect(tmp_path / "photos")


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match="no regular file"):
        list(read_rows(collect(tmp_path / "pipe.png"), Means()))


def test_arrays_are_images_and_others_are_refused() -> None:
    rows = list(read_rows(collect([np.zeros((5, 4), np.uint8), np.zeros((5, 4, 3), np.uint16)]), Means()))
    assert [row.photo.name for row in rows] == ["image 1", "image 2"]
    for wrong, words in ((np.zeros((5, 4)), "array of float64"), (np.zeros((5,), np.uint8), "shape")):
        with pytest.raises(InputError, match=words):
            list(read_rows(collect(wrong), Means()))
    with pytest.raises(InputError, match="paths or arrays"):
        collect([b"bytes"])  # type: ignore[list-item]


def test_many_images_go_in_batches_and_progress_is_told(tmp_path: Path) -> None:
    embedder, told = Means(), []
    count = BATCH + 5
    rows = read_rows(collect([np.full((4, 4), shade, np.uint8) for shade in range(count)]), embedder, on_progress=lambda *at: told.append(at))
    assert [int(row.vector[0]) for row in rows] == list(range(count))
    assert embedder.batches == [BATCH, 5]
    assert told == [(BATCH, count), (count, count)]


def test_large_images_go_in_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nearkin.gallery.reading.BATCH_BYTES", 1000)
    embedder = Means()
    list(read_rows(collect([np.zeros((20, 20), np.uint8)] * 6), embedder))
    assert embedder.batches == [3, 3]


def test_a_large_photo_has_a_small_thumbnail() -> None:
    small = thumbnail(np.random.default_rng(0).integers(0, 255, (900, 1600, 3)).astype(np.uint8))
    assert Image.open(io.BytesIO(small)).size == (128, 72)
    assert len(small) < 12_000
    assert Image.open(io.BytesIO(thumbnail(np.zeros((9, 16, 5), np.uint16)))).mode == "L"
