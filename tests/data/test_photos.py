"""The published sets of photos, read from small trees in their layouts; counts, splits and what a wrong tree is told."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from data import trees
from nearkin.core import InputError
from nearkin.data import CATALOGUE, caltech101, cars196, cub200_2010, cub200_2011, load_images, make_split, sop

SIZE = (6, 6)
DISJOINT = {"train": (9, 3), "test": (6, 2)}
FOUR = {"train": (6, 2), "test": (6, 2)}


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("NEARKIN_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def parts_of(images):
    """Class names of each part."""
    return {part: sorted({images.classes[label] for label in images.labels[images.split == part]}) for part in ("train", "test")}


TREES = [
    ("cub200-2011", trees.birds_2011, cub200_2011, DISJOINT),
    ("cub200-2010", trees.birds_2010, cub200_2010, DISJOINT),
    ("cars196", trees.cars_annotated, cars196, FOUR),
    ("sop", trees.products, sop, FOUR),
    ("caltech101", trees.objects, caltech101, {None: (9, 3)}),
]


@pytest.mark.parametrize(("name", "make", "module", "counts"), TREES, ids=[tree[0] for tree in TREES])
def test_a_tree_that_is_not_the_published_one_is_explained(root, monkeypatch, name, make, module, counts):
    make(root / CATALOGUE[name].folders[0])
    with pytest.raises(InputError) as caught:
        load_images(name, size=SIZE)
    words = str(caught.value)
    for images, classes in module.COUNTS.values():
        assert f"{images:,} images of {classes:,} classes" in words.partition("found")[0]
    for images, classes in counts.values():
        assert f"{images} images of {classes} classes" in words.partition("found")[2]
    assert str(root) in words
    assert "allow_part" in words
    part = load_images(name, size=SIZE, allow_part=True)
    assert part.notes[-1].startswith("a part of the published set") or "a part of the published set" in " ".join(part.notes)

    monkeypatch.setattr(module, "COUNTS", counts)  # the tree is whole now
    whole = load_images(name, size=SIZE)
    assert whole.data_hash == part.data_hash
    assert "a part of" not in " ".join(whole.notes)
    few = load_images(name, size=SIZE, limit_per_class=2)
    assert np.bincount(few.labels).tolist() == [2] * len(whole.classes)


@pytest.mark.parametrize("name", [tree[0] for tree in TREES])
def test_the_published_counts_are_the_catalogues(name):
    module = {tree[0]: tree[2] for tree in TREES}[name]
    assert sum(images for images, _ in module.COUNTS.values()) == CATALOGUE[name].images
    assert sum(classes for _, classes in module.COUNTS.values()) == CATALOGUE[name].classes


def test_the_birds_of_2011_are_split_by_class_numbers(root):
    trees.birds_2011(root / "cub200-2011" / "CUB_200_2011")
    images = load_images("cub200-2011", size=SIZE, allow_part=True)
    assert parts_of(images) == {
        "train": ["001.Albatross", "002.Ani", "100.Brown_Pelican"],
        "test": ["101.White_Pelican", "200.Yellowthroat"],
    }
    assert images.image_ids[0] == "001.Albatross/Albatross_0000_1.jpg"


def test_a_zip_of_the_tree_is_read_as_the_tree_is(root, tmp_path):
    trees.birds_2011(root / "CUB_200_2011")
    tree = load_images("cub200-2011", size=SIZE, allow_part=True)
    trees.zipped(root / "CUB_200_2011", root / "cub200-2011" / "CUB_200_2011.zip", top="CUB_200_2011")
    shutil.rmtree(root / "CUB_200_2011")
    archive = load_images("cub200-2011", size=SIZE, allow_part=True)
    assert archive.data_hash == tree.data_hash
    assert archive.image_ids == tree.image_ids
    assert archive.source.endswith(".zip")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tree: (tree / "images" / "002.Ani" / "Ani_0001_5.jpg").unlink(), "1 of the 15 images .* not there, such as .*Ani_0001_5.jpg"),
        (lambda tree: replace(tree / "image_class_labels.txt", "15 200\n", ""), "only one of them has 15"),
        (lambda tree: replace(tree / "image_class_labels.txt", "15 200\n", "15 101\n"), "does not lie in the folder of its class 101"),
        (lambda tree: replace(tree / "image_class_labels.txt", "15 200\n", "15\n"), "line 15: 1 words where 2 belong"),
        (lambda tree: replace(tree / "image_class_labels.txt", "15 200\n", "15 two\n"), "'two' has no class number"),
        (lambda tree: (tree / "image_class_labels.txt").unlink(), "image_class_labels.txt cannot be read"),
    ],
)
def test_a_damaged_tree_of_birds_is_explained(root, change, words):
    change(trees.birds_2011(root / "cub200-2011"))
    with pytest.raises(InputError, match=words):
        load_images("cub200-2011", size=SIZE)


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_part_goes_on_without_what_is_missing_and_says_so(root):
    tree = trees.birds_2011(root / "cub200-2011")
    shutil.rmtree(tree / "images" / "002.Ani")
    images = load_images("cub200-2011", size=SIZE, allow_part=True)
    assert len(images) == 12
    assert images.notes[0].startswith("3 of the 15 images that its lists name are not there")


@pytest.mark.parametrize(
    "make",
    [
        trees.cars_annotated,
        trees.cars_in_halves,
        trees.cars_in_folders,
        lambda folder: trees.cars_in_folders(folder, ("",)),
        lambda folder: trees.cars_in_folders(folder, ("images",)),
    ],
    ids=["annotated", "halves", "train and test", "class folders", "images"],
)
def test_cars_are_split_in_published_order_from_every_layout(root, make):
    make(root / "cars196")
    images = load_images("cars196", size=SIZE, allow_part=True)
    assert parts_of(images) == {
        "train": ["AM General Hummer SUV 2000", "FIAT 500 Convertible 2012"],
        "test": ["Ferrari FF Coupe 2012", "smart fortwo 2012"],
    }
    assert len(set(images.image_ids)) == len(images)


def test_cars_in_numbered_folders_are_split_by_number(root):
    trees.cars_in_folders(root / "cars196", by_number=True)
    assert parts_of(load_images("cars196", size=SIZE, allow_part=True)) == {"train": ["001", "098"], "test": ["099", "196"]}


def test_annotations_of_cars_without_classes_are_refused(root):
    trees.cars_in_halves(root / "cars196", labels=False)
    with pytest.raises(InputError, match="come without classes; take the file with labels"):
        load_images("cars196", size=SIZE, allow_part=True)


def test_a_damaged_annotation_file_is_named(root):
    tree = trees.cars_annotated(root / "cars196")
    (tree / "cars_annos.mat").write_bytes(b"MATLAB" + bytes(200))
    with pytest.raises(InputError, match=r"cars_annos.mat in .* cannot be read as a MATLAB file"):
        load_images("cars196", size=SIZE)


def test_products_are_named_by_kind_and_article(root):
    trees.products(root / "sop" / "Stanford_Online_Products")
    images = load_images("sop", size=SIZE, allow_part=True)
    assert parts_of(images) == {"train": ["bicycle/1", "sofa/2"], "test": ["bicycle/11319", "toaster/22634"]}
    assert images.image_ids[0] == "bicycle_final/1_0.JPG"


def test_a_class_on_both_sides_of_a_published_split_is_refused(root):
    trees.products(root / "sop", {"train": {1: "sofa", 2: "sofa"}, "test": {2: "sofa", 3: "lamp"}})
    with pytest.raises(InputError, match="1 classes are in training and in test, such as 'sofa/2'"):
        load_images("sop", size=SIZE, allow_part=True)


def test_of_the_objects_background_and_second_faces_are_left_out_and_said(root):
    trees.objects(root / "caltech101")
    images = load_images("caltech101", size=SIZE, allow_part=True)
    assert images.classes == ("accordion", "anchor", "Faces")
    assert images.split is None
    assert images.notes[:2] == (
        "left out: 3 images of BACKGROUND_Google, no class",
        "left out: 3 images of Faces_easy, the photos of Faces again",
    )


def test_validation_of_a_class_disjoint_published_split_is_training_classes(root):
    articles = {"train": {number: "sofa" for number in range(1, 9)}, "test": {number: "lamp" for number in range(9, 13)}}
    trees.products(root / "sop", articles)
    images = load_images("sop", size=SIZE, allow_part=True)
    split = make_split(images, "official", validation_share=0.5)
    classes = {part: set(images.labels[split.part(part)].tolist()) for part in ("train", "validation", "test")}
    assert [len(classes[part]) for part in ("train", "validation", "test")] == [4, 4, 4]
    assert len(set.union(*classes.values())) == 12
    assert np.array_equal(split.test, np.flatnonzero(images.split == "test"))


def test_an_archive_that_was_not_extracted_is_named(root):
    (root / "cub200_2011").mkdir()
    (root / "cub200_2011" / "CUB_200_2011.tgz").write_bytes(b"")
    with pytest.raises(InputError, match=r"is not here.*CUB_200_2011\.tgz: this must be extracted first"):
        load_images("cub200-2011")
