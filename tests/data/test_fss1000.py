"""FSS-1000 read from a small tree in its official layout: the box of the mask, the crop, the size, and what a wrong tree is told."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from nearkin.core import InputError
from nearkin.data import CATALOGUE, fss1000, load_images, make_split
from nearkin.data.fss1000 import box_of

CLASSES = ("ab_wheel", "abacus", "zucchini")


def photo_of(label: int, number: int) -> np.ndarray:
    """A gradient with a bright rectangle, the object."""
    down, right = np.mgrid[0:40, 0:30]
    pixels = np.stack([down * 3, right * 4, down + right + 10 * label + number], axis=2).astype(np.uint8)
    return pixels


def mask_of(number: int) -> np.ndarray:
    """White from row `number` to 20 and column 5 to 10 + number, both ends of it."""
    mask = np.zeros((40, 30), dtype=np.uint8)
    mask[number : 21, 5 : 11 + number] = 255
    return mask


def write_tree(folder: Path) -> Path:
    for label, name in enumerate(CLASSES):
        (folder / "fewshot_data" / name).mkdir(parents=True)
        for number in range(1, 11):
            Image.fromarray(photo_of(label, number)).save(folder / "fewshot_data" / name / f"{number}.jpg", quality=100, subsampling=0)
            rgb = np.repeat(mask_of(number)[:, :, None], 3, axis=2)
            Image.fromarray(rgb if label else mask_of(number)).save(folder / "fewshot_data" / name / f"{number}.png")
    return folder / "fewshot_data"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setenv("NEARKIN_DATA", str(tmp_path))
    monkeypatch.setattr(fss1000, "COUNTS", {None: (30, 3)})
    return write_tree(tmp_path / "fss1000")


def test_photos_are_cut_to_the_box_of_their_mask_and_stretched_to_224(tree):
    images = load_images("fss1000")
    assert images.image_shape == (3, 224, 224) and len(images) == 30
    assert images.classes == CLASSES and images.split is None
    assert images.image_ids[:2] == ("ab_wheel/1.jpg", "ab_wheel/2.jpg") and images.image_ids[9] == "ab_wheel/10.jpg"
    assert "photos are cut to the box of their mask" in images.notes
    for place, image_id in enumerate(images.image_ids):
        name, number = image_id.removesuffix(".jpg").split("/")
        box = np.asarray(Image.open(tree / name / f"{number}.jpg"))[int(number) : 21, 5 : 11 + int(number)]
        expected = np.asarray(Image.fromarray(box).resize((224, 224), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(images.pixels[place], np.moveaxis(expected, 2, 0))


def test_padding_keeps_the_aspect_ratio_in_the_middle_of_black(tree):
    images = load_images("fss1000", size=(42, 42), pad=True)
    first = images.pixels[0]  # the box is 20 high and 7 wide: 42 x 15, 13 columns of black before it
    lit = np.flatnonzero(first.max((0, 1)))
    assert (lit[0], lit[-1]) == (13, 27)
    box = np.asarray(Image.open(tree / "ab_wheel" / "1.jpg"))[1:21, 5:12]
    expected = np.asarray(Image.fromarray(box).resize((15, 42), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(first[:, :, 13:28], np.moveaxis(expected, 2, 0))


def test_a_zip_is_read_as_the_tree_is_and_the_protocol_of_document_002_fits(tree):
    images = load_images("fss1000", size=(16, 16))
    with zipfile.ZipFile(tree.parent / "fewshot_data.zip", "w") as archive:
        for path in sorted(tree.rglob("*.*")):
            archive.write(path, path.relative_to(tree.parent))
    tree.rename(tree.parent / "put_away")
    assert load_images("fss1000", size=(16, 16)).data_hash == images.data_hash
    split = make_split(images, "few-shot")
    assert split.description["images"] == {"train": 18, "validation": 3, "test": 9}


@given(arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7))), st.integers(0, 2), st.sampled_from([1, 255]))
def test_the_box_holds_every_foreground_pixel_and_is_the_smallest(mask, channel, white):
    image = np.zeros((*mask.shape, 3), dtype=np.uint8)
    image[:, :, channel] = white * mask
    top, bottom, left, right = box_of(image)
    if not mask.any():
        assert (top, bottom, left, right) == (0, mask.shape[0], 0, mask.shape[1])
        return
    places = [(i, j) for i in range(mask.shape[0]) for j in range(mask.shape[1]) if mask[i, j]]
    assert (top, left) == (min(i for i, _ in places), min(j for _, j in places))
    assert (bottom - 1, right - 1) == (max(i for i, _ in places), max(j for _, j in places))


def test_faint_pixels_are_background_and_an_empty_mask_is_the_whole_image():
    mask = np.zeros((5, 6, 1), dtype=np.uint8)
    mask[2, 3], mask[0, 0] = 200, 100
    assert box_of(mask) == (2, 3, 3, 4)
    assert box_of(np.zeros((5, 6, 1), dtype=np.uint8)) == (0, 5, 0, 6)


def spoil(tree, change):
    target = tree / "abacus"
    if change == "mask":
        (target / "3.png").unlink()
    elif change == "photo":
        (target / "3.jpg").unlink()
    elif change == "size":
        Image.fromarray(np.zeros((9, 9), dtype=np.uint8)).save(target / "3.png")
    elif change == "text":
        (target / "3.png").write_text("no mask")
    elif change == "class":
        for path in target.iterdir():
            path.unlink()
    else:
        for path in tree.rglob("*.jpg"):
            path.unlink()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("mask", r"1 photos have no mask beside them, such as .*abacus/3.jpg \(a mask is 3.png\)"),
        ("photo", "1 classes have not 10 photos, such as 'abacus' with 9"),
        ("size", "abacus/3.jpg.* has 40 x 30 pixels and its mask .*abacus/3.png.* 9 x 9"),
        ("text", "abacus/3.png .*cannot be opened as an image"),
        ("class", "expected 30 images of 3 classes, found 20 images of 2 classes"),
        ("photos", "holds no photos; FSS-1000 has fewshot_data/CLASS/1.jpg"),
    ],
)
def test_a_wrong_tree_is_explained(tree, change, words):
    spoil(tree, change)
    with pytest.raises(InputError, match=words):
        load_images("fss1000", size=(8, 8))
    if change in ("mask", "photo", "class"):
        part = load_images("fss1000", size=(8, 8), allow_part=True)
        assert len(part) == (20 if change == "class" else 29)
        assert "a part of the published set" in " ".join(part.notes)
    if change in ("size", "text"):
        assert len(load_images("fss1000", size=(8, 8), skip_bad=True)) == 29


def test_the_catalogue_says_what_the_reader_expects_and_how_to_get_it(tmp_path, monkeypatch):
    entry = CATALOGUE["fss1000"]
    assert fss1000.COUNTS == {None: (entry.images, entry.classes)}
    assert (3, *fss1000.SIZE) == entry.shape
    monkeypatch.setenv("NEARKIN_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"'fss1000' is not here: .*fewshot_data"):
        load_images("fss1000")
