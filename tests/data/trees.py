"""Small trees in the layouts of the published data sets of photos."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

BIRDS = {1: "001.Albatross", 2: "002.Ani", 100: "100.Brown_Pelican", 101: "101.White_Pelican", 200: "200.Yellowthroat"}
CARS = {1: "AM General Hummer SUV 2000", 98: "FIAT 500 Convertible 2012", 99: "Ferrari FF Coupe 2012", 196: "smart fortwo 2012"}
ARTICLES = {"train": {1: "bicycle", 2: "sofa"}, "test": {11319: "bicycle", 22634: "toaster"}}
EACH = 3


def photo(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (6 + number % 3, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path.with_suffix(".png"))
    path.with_suffix(".png").rename(path)


def birds_2011(folder: Path) -> Path:
    """images.txt, image_class_labels.txt, train_test_split.txt, bounding_boxes.txt, classes.txt and images/."""
    rows = [(name, label, place) for label, name in BIRDS.items() for place in range(EACH)]
    lists: dict[str, list[str]] = {name: [] for name in ("images", "image_class_labels", "train_test_split", "bounding_boxes")}
    for number, (name, label, place) in enumerate(rows, 1):
        path = f"{name}/{name[4:]}_{place:04d}_{number}.jpg"
        photo(folder / "images" / path, number)
        values = {"images": path, "image_class_labels": str(label), "train_test_split": str(place % 2), "bounding_boxes": "1.0 1.0 4.0 4.0"}
        for listed, value in values.items():
            lists[listed].append(f"{number} {value}")
    lists["classes"] = [f"{label} {name}" for label, name in BIRDS.items()]
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    (folder / "attributes").mkdir()
    (folder / "attributes" / "notes.txt").write_text("not read")
    return folder


def birds_2010(folder: Path) -> Path:
    for number, name in enumerate(name for name in BIRDS.values() for _ in range(EACH)):
        photo(folder / "images" / name / f"{name[4:]}_{number:04d}.jpg", number)
    return folder


def cars_annotated(folder: Path) -> Path:
    """cars_annos.mat and car_ims/, as published in one piece."""
    entries = []
    for number, label in enumerate(label for label in CARS for _ in range(EACH)):
        photo(folder / "car_ims" / f"{number:06d}.jpg", number)
        entries.append((f"car_ims/{number:06d}.jpg", 1, 1, 4, 4, label, number % 2))
    kinds = [("relative_im_path", "O"), *((f"bbox_{side}", "f8") for side in ("x1", "y1", "x2", "y2")), ("class", "f8"), ("test", "f8")]
    savemat(folder / "cars_annos.mat", {"annotations": np.array(entries, dtype=kinds), "class_names": car_names()})
    return folder


def cars_in_halves(folder: Path, labels: bool = True) -> Path:
    """cars_train/, cars_test/ and devkit/."""
    (folder / "devkit").mkdir(parents=True)
    savemat(folder / "devkit" / "cars_meta.mat", {"class_names": car_names()})
    places = {"train": folder / "devkit" / "cars_train_annos.mat", "test": folder / "cars_test_annos_withlabels.mat"}
    for part, place in places.items():
        entries = []
        for number, label in enumerate(label for label in CARS for _ in range(EACH if part == "train" else 1)):
            photo(folder / f"cars_{part}" / f"{number + 1:05d}.jpg", number + 100 * (part == "test"))
            entries.append((1, 1, 4, 4, *((label,) if labels else ()), f"{number + 1:05d}.jpg"))
        kinds = [*((f"bbox_{side}", "f8") for side in ("x1", "y1", "x2", "y2")), *([("class", "f8")] if labels else []), ("fname", "O")]
        savemat(place, {"annotations": np.array(entries, dtype=kinds)})
    return folder


def cars_in_folders(folder: Path, parts: tuple[str, ...] = ("train", "test"), *, by_number: bool = False) -> Path:
    for number, (part, label) in enumerate((part, label) for part in parts for label in CARS for _ in range(EACH)):
        name = f"{label:03d}" if by_number else CARS[label]
        photo(folder / part / name / f"{number:05d}.jpg", number)
    return folder


def car_names() -> np.ndarray:
    return np.array([CARS.get(label, f"Chevrolet {label}") for label in range(1, 197)], dtype=object)


def products(folder: Path, articles: Mapping[str, Mapping[int, str]] = ARTICLES) -> Path:
    number = 0
    for part, members in articles.items():
        lines = ["image_id class_id super_class_id path"]
        for article, kind in members.items():
            for place in range(EACH):
                number += 1
                path = f"{kind}_final/{article}_{place}.JPG"
                photo(folder / path, number)
                lines.append(f"{number} {article} 1 {path}")
        (folder / f"Ebay_{part}.txt").write_text("\n".join(lines) + "\n")
    return folder


def objects(folder: Path) -> Path:
    for number, name in enumerate(
        name for name in ("accordion", "anchor", "BACKGROUND_Google", "Faces", "Faces_easy") for _ in range(EACH)
    ):
        photo(folder / "101_ObjectCategories" / name / f"image_{number:04d}.jpg", number)
    return folder


def zipped(folder: Path, place: Path, top: str = "") -> None:
    """All files of `folder` in a zip, below a folder `top`."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(place, "w") as archive:
        for path in folder.rglob("*"):
            if path.is_file():
                archive.write(path, f"{top}/{path.relative_to(folder)}" if top else str(path.relative_to(folder)))
