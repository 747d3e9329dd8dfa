"""The data sets known by name, on small files of the right form; the real ones are in test_real_data."""

from __future__ import annotations

import gzip
import io
import struct
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from nearkin.core import InputError, MissingExtra
from nearkin.data import CATALOGUE, data_root, load_images, located, looked_for


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("NEARKIN_DATA", str(tmp_path))
    return tmp_path


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def write_mnist(folder, gzipped: bool, train: int = 12, test: int = 6):
    folder.mkdir(parents=True, exist_ok=True)
    for stem, count in (("train", train), ("t10k", test)):
        images = (np.arange(count)[:, None, None] + np.zeros((count, 4, 4))).astype(np.uint8)
        labels = (np.arange(count) % 3).astype(np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            data = idx(array)
            path = folder / f"{stem}-{kind}-ubyte{'.gz' if gzipped else ''}"
            path.write_bytes(gzip.compress(data) if gzipped else data)


@pytest.mark.parametrize("gzipped", [True, False])
@pytest.mark.parametrize("folder", CATALOGUE["mnist"].folders)
def test_mnist_is_read_from_any_of_its_folders(root, gzipped, folder):
    write_mnist(root / folder, gzipped)
    images = load_images("mnist")
    assert len(images) == 18
    assert images.classes == ("0", "1", "2")
    assert images.split.tolist() == ["train"] * 12 + ["test"] * 6
    assert images.image_ids[12] == "test/00000"
    assert images.pixels[:, 0, 0, 0].tolist() == [*range(12), *range(6)]
    assert images.labels.tolist() == [*(np.arange(12) % 3), *(np.arange(6) % 3)]


def spoiled(change):
    def spoil(folder):
        path = folder / "train-images-idx3-ubyte"
        path.write_bytes(change(path.read_bytes()))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            spoiled(lambda data: data[:-1]),
            "images-idx3-ubyte is cut off: its header promises 12 x 4 x 4 bytes, 191 follow",
        ),
        (spoiled(lambda data: data + b"x"), "is too long"),
        (spoiled(lambda data: data[:7]), "7 bytes do not hold the header"),
        (spoiled(lambda data: b"\0\0\x08\x01" + data[4:]), "begins with 0x00000801, not 0x00000803"),
        (spoiled(lambda data: gzip.compress(data)[:-9]), "is not a whole gzip file"),
        (
            spoiled(lambda data: idx(np.zeros((11, 4, 4), np.uint8))),
            "holds 11 images, but .*labels-idx1-ubyte 12 labels",
        ),
        (
            lambda folder: (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(np.full(6, 11, np.uint8))),
            "holds the label 11",
        ),
    ],
)
def test_a_damaged_idx_file_is_named(root, spoil, words):
    write_mnist(root / "mnist", gzipped=False)
    spoil(root / "mnist")
    with pytest.raises(InputError, match=words):
        load_images("mnist")


def drawing(shade: int) -> bytes:
    bits = np.zeros((5, 5), bool)
    bits.ravel()[:shade] = True
    file = io.BytesIO()
    Image.fromarray(bits).save(file, "PNG")
    return file.getvalue()


def write_omniglot(folder, zipped: bool):
    folder.mkdir()
    for name, alphabets in (("images_background", "AB"), ("images_evaluation", "CD")):
        files = {
            f"{name}/{alphabet}/character0{number}/{drawer}.png": drawing(ord(alphabet) % 7 + number + drawer)
            for alphabet in alphabets
            for number in (1, 2)
            for drawer in (1, 2)
        }
        if zipped:
            with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
                for path, data in files.items():
                    archive.writestr(path, data)
        for path, data in {} if zipped else files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)


def test_omniglot_is_the_same_from_archives_and_from_the_tree(root, tmp_path):
    write_omniglot(root / "omniglot", zipped=True)
    zipped = load_images("omniglot")
    for path in (root / "omniglot").iterdir():
        path.unlink()
    (root / "omniglot").rmdir()
    write_omniglot(root / "omniglot-py", zipped=False)
    tree = load_images("omniglot")
    assert zipped.data_hash == tree.data_hash
    assert zipped.image_ids == tree.image_ids
    assert zipped.classes[0] == "A/character01"
    assert set(zipped.labels[zipped.split == "train"]).isdisjoint(zipped.labels[zipped.split == "test"])
    assert set(np.unique(zipped.pixels)) == {0, 255}


def test_digits_need_nothing_on_disk(root):
    images = load_images("digits")
    assert len(images) == 1797
    assert images.value_range == (0, 16)
    assert images.pixels.max() == 16
    assert images.notes == ()
    assert located("digits") == ()


def test_digits_without_scikit_learn_name_the_extra(monkeypatch):
    class Absent:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "sklearn":
                raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")

    for module in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [Absent, *sys.meta_path])
    with pytest.raises(MissingExtra, match=r"'digits' needs 'sklearn'.*nearkin\[train\]"):
        load_images("digits")


@pytest.mark.parametrize("name", ["mnist", "omniglot", "faces"])
def test_a_missing_set_says_where_it_was_looked_for_and_how_to_get_it(root, name):
    assert located(name) is None
    with pytest.raises(InputError) as caught:
        load_images(name)
    assert all(str(folder) in str(caught.value) for folder in looked_for(name))
    assert ("nearkin data fetch" in str(caught.value)) == bool(CATALOGUE[name].remote)


def test_the_data_root_is_the_variable_or_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("NEARKIN_DATA", str(tmp_path))
    assert data_root() == tmp_path
    monkeypatch.delenv("NEARKIN_DATA")
    assert data_root().parts[-2:] == ("nearkin", "data")


def test_every_entry_is_complete():
    for name, entry in CATALOGUE.items():
        assert entry.description
        assert entry.licence
        assert entry.images > entry.classes > 1
        assert name == "digits" or (entry.folders and entry.contents and bool(entry.remote) != bool(entry.advice))
        assert all(remote.checksum.partition(":")[0] in ("sha256", "md5") for remote in entry.remote)
