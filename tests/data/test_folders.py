"""Folders and zips with one folder a class: order, layouts, what is left out and what is refused."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nearkin.core import InputError, InputTypeError
from nearkin.data import load_images


def png(shade: int, size=(4, 4), dtype=np.uint8, channels: int | None = None) -> bytes:
    shape = size if channels is None else (*size, channels)
    file = io.BytesIO()
    Image.fromarray(np.full(shape, shade, dtype)).save(file, "PNG")
    return file.getvalue()


def make_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return path


@pytest.fixture(params=["folder", "zip"])
def make(request, tmp_path):
    """Makes a folder or a zip archive of the files."""

    def made(files: dict[str, bytes]) -> Path:
        if request.param == "zip":
            return make_zip(tmp_path / "images.zip", files)
        return make_folder(tmp_path / "images", files)

    return made


def test_classes_and_images_come_in_natural_order(make):
    names = ["s10/2.png", "s10/10.png", "s2/1.png", "s2/007.png", "s1/1.png"]
    images = load_images(make({name: png(shade) for shade, name in enumerate(names)}))
    assert images.classes == ("s1", "s2", "s10")
    assert images.image_ids == ("s1/1.png", "s2/1.png", "s2/007.png", "s10/2.png", "s10/10.png")
    assert images.pixels[:, 0, 0, 0].tolist() == [4, 2, 3, 0, 1]
    assert images.labels.tolist() == [0, 1, 1, 2, 2]
    assert images.value_range == (0, 255)
    assert images.split is None
    assert images.groups is None


def test_the_same_files_give_the_same_set_in_a_folder_and_in_a_zip(tmp_path):
    files = {f"{label}/{number}.png": png(number) for label in "ab" for number in range(3)}
    folder, archive = make_folder(tmp_path / "x", files), make_zip(tmp_path / "x.zip", dict(reversed(files.items())))
    assert load_images(folder).data_hash == load_images(archive).data_hash


def test_class_names_are_literal(make):
    names = ["<script>", "=1+1", "007", "NaN", "..x", "null", "1e3", "a b"]
    images = load_images(make({f"{name}/1.png": png(1) for name in names}))
    assert set(images.classes) == set(names)


def test_a_zip_is_never_extracted_whatever_its_names_say(tmp_path, monkeypatch):
    inside = tmp_path / "deep" / "inside"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    files = {"../x/1.png": png(1), f"{tmp_path}/evil/1.png": png(2), "../../x/1.png": png(3), "b/1.png": png(4)}
    archive = make_zip(inside / "bad.zip", files)
    images = load_images(archive)
    assert len(images) == 4
    assert ".." in images.classes
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


def test_one_folder_above_the_classes_is_passed_over(make):
    images = load_images(make({"set/v1/cat/1.png": png(1), "set/v1/dog/1.png": png(2)}))
    assert images.classes == ("cat", "dog")
    assert images.image_ids == ("cat/1.png", "dog/1.png")


def test_deeper_folders_belong_to_their_class(make):
    images = load_images(make({"cat/a/1.png": png(1), "cat/b/1.png": png(2), "dog/1.png": png(3)}))
    assert images.classes == ("cat", "dog")
    assert images.labels.tolist() == [0, 0, 1]


def test_member_names_of_other_archivers_are_understood(tmp_path):
    images = load_images(make_zip(tmp_path / "x.zip", {"./a/1.png": png(1), "./b//1.png": png(2), "c\\1.png": png(3)}))
    assert images.image_ids == ("a/1.png", "b/1.png", "c/1.png")


def test_two_members_of_one_name_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds 'a/1.png' twice"):
        load_images(make_zip(tmp_path / "x.zip", {"a/1.png": png(1), "./a/1.png": png(2), "b/1.png": png(2)}))


@pytest.mark.parametrize("validation", [None, "val", "validation"])
def test_folders_of_parts_are_the_official_split(make, validation):
    parts = ["train", "test", *([validation] if validation else [])]
    images = load_images(make({f"top/{part}/{label}/1.png": png(1) for part in parts for label in "ab"}))
    assert images.classes == ("a", "b")
    assert set(images.split) == {"train", "test", *(["validation"] if validation else [])}
    assert images.image_ids[0].startswith("t")


@pytest.mark.parametrize(
    ("train", "other", "part"),
    [("Train", "Test", "test"), ("train", "val", "validation"), ("training", "testing", "test")],
)
def test_parts_are_known_in_capitals_in_pairs_and_in_full(make, train, other, part):
    names = [f"{folder}/{kind}/{number}.png" for folder in (train, other) for kind in "ab" for number in range(2)]
    images = load_images(make({name: png(shade) for shade, name in enumerate(names)}))
    assert images.classes == ("a", "b")
    assert sorted(images.split.tolist()) == sorted(["train"] * 4 + [part] * 4)
    assert [image.split("/")[0] == train for image in images.image_ids] == (images.split == "train").tolist()


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
def test_a_name_that_is_no_text_is_refused(tmp_path):
    root = os.fsencode(make_folder(tmp_path / "images", {"a/0.png": png(0), "b/0.png": png(1)}))
    os.mkdir(root + b"/caf\xe9")
    os.link(root + b"/a/0.png", root + b"/caf\xe9/0.png")
    with pytest.raises(InputError, match=r"'caf\\udce9/0.png' is not UTF-8 text; rename it"):
        load_images(os.fsdecode(root))


def test_classes_called_train_and_test_are_classes(make):
    images = load_images(make({"train/1.png": png(1), "test/1.png": png(2)}))
    assert images.classes == ("test", "train")
    assert images.split is None


def test_hidden_and_system_files_are_ignored_and_others_said(make):
    files = {"a/1.png": png(1), "b/1.png": png(99), "a/.DS_Store": b"", "__MACOSX/a/._1.png": b"", ".git/x/1.png": b""}
    images = load_images(make(files | {"a/Thumbs.db": b"", "README.txt": b"words"}))
    assert len(images) == 2
    assert images.notes == ("left out, no images: README.txt",)


def test_a_corrupt_image_is_named_or_skipped_and_listed(make):
    place = make({"a/1.png": png(1), "a/2.png": png(1)[:30], "b/1.png": png(2)})
    with pytest.raises(InputError, match=r"a/2\.png in .* cannot be opened"):
        load_images(place)
    images = load_images(place, skip_bad=True)
    assert images.image_ids == ("a/1.png", "b/1.png")
    assert images.notes[0].startswith("skipped 1: a/2.png in ")


def test_a_class_without_a_readable_image_is_said(make):
    place = make({"a/1.png": png(1), "b/1.png": png(2), "c/1.png": b"bad"})
    images = load_images(place, skip_bad=True)
    assert images.classes == ("a", "b")
    assert "class 'c' has no readable image left" in images.notes


def test_nothing_readable_is_refused(make):
    with pytest.raises(InputError, match="none of the 2 images can be read"):
        load_images(make({"a/1.png": b"x", "b/1.png": b"y"}), skip_bad=True)


def test_an_image_outside_every_class_is_named_or_left_out(make):
    place = make({"a/1.png": png(1), "b/1.png": png(2), "stray.png": png(3)})
    with pytest.raises(InputError, match=r"stray\.png in .* lies in no class folder"):
        load_images(place)
    assert "left out, in no class folder: stray.png" in load_images(place, skip_bad=True).notes


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "holds no images"),
        ({"a/notes.txt": b"x"}, "holds no images"),
        ({"a/1.png": png(1), "a/2.png": png(2)}, "holds one class only, 'a'"),
    ],
)
def test_sets_to_learn_nothing_from_are_refused(tmp_path, files, words):
    folder = tmp_path / "set"
    folder.mkdir()
    with pytest.raises(InputError, match=words):
        load_images(make_folder(folder, files))


def test_sizes_that_differ_are_named_with_what_to_pass(make):
    place = make({"a/1.png": png(1), "a/2.png": png(1), "b/1.png": png(2, size=(6, 8))})
    words = r"4 x 4 \(2 images, such as a/1\.png\), 6 x 8 \(1 images, such as b/1\.png\).*size=\(4, 4\)"
    with pytest.raises(InputError, match=words):
        load_images(place)
    assert load_images(place, size=(5, 7)).image_shape == (1, 5, 7)


def test_grey_becomes_rgb_where_the_set_holds_both(make):
    images = load_images(make({"a/1.png": png(9), "b/1.png": png(7, channels=3), "c/1.png": png(5)}))
    assert images.image_shape == (3, 4, 4)
    assert images.pixels[:, :, 0, 0].tolist() == [[9] * 3, [7] * 3, [5] * 3]
    assert "turned from grey to RGB to match the others: 2 of 3" in images.notes


def test_eight_bits_become_sixteen_where_the_set_holds_both(make):
    files = {"a/1.png": png(255), "b/1.png": png(1000, dtype=np.uint16), "c/1.png": png(2)}
    images = load_images(make(files))
    assert images.pixels[:, 0, 0, 0].tolist() == [65535, 1000, 514]
    assert images.value_range == (0, 65535)
    assert "raised from 8 to 16 bits (times 257) to match the others: 2 of 3" in images.notes


def test_hashes_do_not_depend_on_what_is_made_of_the_images(make):
    place = make({"a/1.png": png(9), "b/1.png": png(7, channels=3), "b/2.png": png(5, dtype=np.uint16)})
    assert load_images(place).hashes == load_images(place, size=(2, 2), channels=1).hashes


def test_a_container_used_under_a_quarter_is_said_and_never_stretched_in_silence(make):
    place = make({"a/1.png": png(0, dtype=np.uint16), "b/1.png": png(4095, dtype=np.uint16)})
    images = load_images(place)
    assert images.value_range == (0, 65535)
    assert any("uses values 0..4095 of 0..65535, less than a quarter" in note for note in images.notes)
    given = load_images(place, value_range=(0, 4095))
    assert given.notes == ()
    assert given.scaled().max() == 1
    assert any("go beyond the range" in note for note in load_images(place, value_range=(0, 1000)).notes)


def test_identical_images_are_counted_and_contradictions_said(make):
    images = load_images(make({"a/1.png": png(1), "a/2.png": png(1), "b/1.png": png(1), "b/2.png": png(200)}))
    assert "identical to another image: 2 of 4; pictures under more than one label: 1" in images.notes


def test_the_limit_takes_the_first_of_each_class_in_each_part(make):
    files = {f"{part}/{label}/{n}.png": png(n) for part in ("train", "test") for label in "ab" for n in range(5)}
    images = load_images(make(files), limit_per_class=2)
    assert len(images) == 8
    assert {name.split("/")[-1] for name in images.image_ids} == {"0.png", "1.png"}


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_linked_class_folders_are_read_and_circles_end(tmp_path):
    make_folder(tmp_path / "real", {"a/1.png": png(1)})
    make_folder(tmp_path / "set", {"b/1.png": png(2)})
    (tmp_path / "set" / "a").symlink_to(tmp_path / "real" / "a")
    (tmp_path / "set" / "b" / "round").symlink_to(tmp_path / "set")
    assert set(load_images(tmp_path / "set").classes) == {"a", "b"}


def test_a_damaged_zip_is_named(tmp_path):
    (tmp_path / "bad.zip").write_bytes(b"not a zip")
    with pytest.raises(InputError, match=r"bad\.zip is not a readable zip archive"):
        load_images(tmp_path / "bad.zip")
    whole = make_zip(tmp_path / "whole.zip", {"a/1.png": png(1), "b/1.png": png(2)}).read_bytes()
    place = whole.index(b"IHDR")
    (tmp_path / "flipped.zip").write_bytes(whole[:place] + b"XXXX" + whole[place + 4 :])
    with pytest.raises(InputError, match=r"a/1\.png in .*flipped\.zip cannot be read: Bad CRC"):
        load_images(tmp_path / "flipped.zip")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"size": 5}, InputTypeError, r"size must be \(height, width\)"),
        ({"size": (0, 5)}, InputError, "size must be a whole number of at least 1"),
        ({"channels": 2}, InputError, "channels must be 1"),
        ({"value_range": (5, 5)}, InputError, "the lower first"),
        ({"value_range": (0, float("nan"))}, InputError, "finite"),
        ({"value_range": "wide"}, InputTypeError, "two numbers"),
        ({"limit_per_class": 0}, InputError, "limit_per_class must be"),
        ({"skip_bad": "yes"}, InputTypeError, "skip_bad must be true or false"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_read(tmp_path, options, error, words):
    with pytest.raises(error, match=words):
        load_images(tmp_path / "nowhere", **options)


def test_unknown_sources_are_refused_with_the_nearest_name(tmp_path):
    with pytest.raises(InputError, match="'digit' is neither a data set.*did you mean 'digits'"):
        load_images("digit")
    (tmp_path / "x.tar").write_bytes(b"")
    with pytest.raises(InputError, match="neither a folder nor a .zip nor a .csv"):
        load_images(tmp_path / "x.tar")
    with pytest.raises(InputTypeError, match="from a name or a path"):
        load_images(3)


def test_images_of_many_channels_load_and_are_not_turned_to_grey(tmp_path):
    for label, shade in (("a", 1), ("b", 2)):
        (tmp_path / label).mkdir()
        np.save(tmp_path / label / "1.npy", np.full((8, 6, 5), shade, np.uint16))
    assert load_images(tmp_path).image_shape == (5, 8, 6)
    assert load_images(tmp_path, size=(4, 3)).pixels[:, :, 0, 0].tolist() == [[1] * 5, [2] * 5]
    with pytest.raises(InputError, match="has 5 channels, which cannot become 1"):
        load_images(tmp_path, channels=1)
    np.save(tmp_path / "b" / "2.npy", np.zeros((8, 6, 4), np.uint16))
    with pytest.raises(InputError, match=r"b/2\.npy has 4 channels, the images before it 5"):
        load_images(tmp_path)


def test_the_empty_name_is_not_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(make_folder(tmp_path, {f"{name}/{index}.png": png(index) for name in "ab" for index in (1, 2)}))
    assert len(load_images(".").labels) == 4
    with pytest.raises(InputError, match="got ''; write '.' for the current folder"):
        load_images("")


def test_a_path_that_is_spelled_like_a_data_set_is_explained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"no file or folder 'digits' here; .*Path is always a path: .*load_images\('digits'\)") as caught:
        load_images(Path("digits"))
    assert "did you mean" not in str(caught.value)
    with pytest.raises(InputError, match="'digit' is neither .* nor an existing path"):
        load_images(Path("digit"))


def test_an_image_size_that_no_memory_holds_is_refused_at_once():
    for size in ((100_000, 100_000), (1, 10**9)):
        with pytest.raises(InputError, match=r"size=\(\d+, \d+\) asks for 1[,0]+ pixels an image; the most is 89,478,485"):
            load_images("digits", size=size)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ["b/2.png", "b.zip", "b.csv"])
def test_a_pipe_with_the_name_of_an_image_does_not_hang(tmp_path, name):
    """In another process: where it hangs, it can be stopped."""
    folder = make_folder(tmp_path / "pictures", {f"{name}/{index}.png": png(index) for name in "ab" for index in (1, 3)})
    os.mkfifo(folder / name)
    source = folder if "/" in name else folder / name
    code = "import sys; from nearkin.data import load_images; load_images(sys.argv[1])"
    answer = subprocess.run([sys.executable, "-c", code, source], capture_output=True, text=True, timeout=200)
    assert answer.returncode == 1
    assert f"{folder / name} is no regular file" in answer.stderr
    if source == folder:
        assert len(load_images(folder, skip_bad=True).labels) == 4
