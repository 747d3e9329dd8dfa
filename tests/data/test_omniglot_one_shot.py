"""Lake's runs: who is to be named by whom stands in a text file; folders and archives are the same."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nearkin.core import InputError
from nearkin.data import load_images

ANSWERS = {1: [2, 0, 1], 2: [0, 1, 2]}
"""Two runs of three characters: the place of the drawing to learn from, of each one to name."""


def drawing(number: int) -> bytes:
    pixels = np.random.default_rng(number).random((9, 9)) < 0.5
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def files() -> dict[str, bytes]:
    found = {}
    for run, answers in ANSWERS.items():
        here = f"run{run:02d}"
        for place, answer in enumerate(answers):
            found[f"{here}/training/class{place + 1:02d}.png"] = drawing(100 * run + place)
            found[f"{here}/test/item{place + 1:02d}.png"] = drawing(100 * run + 50 + answer)
        lines = [f"{here}/test/item{k + 1:02d}.png {here}/training/class{a + 1:02d}.png" for k, a in enumerate(answers)]
        found[f"{here}/class_labels.txt"] = "\n".join(lines).encode()
    return found


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEARKIN_DATA", str(tmp_path))
    folder = tmp_path / "omniglot"
    folder.mkdir()
    with zipfile.ZipFile(folder / "all_runs.zip", "w") as archive:
        for name, content in files().items():
            archive.writestr(name, content)
    return folder


def test_a_drawing_to_name_has_the_class_of_the_one_to_learn_from(root: Path) -> None:
    images = load_images("omniglot-one-shot")
    assert images.classes == tuple(f"run{run:02d}/class{place:02d}" for run in (1, 2) for place in (1, 2, 3))
    names = dict(zip(images.image_ids, (images.classes[label] for label in images.labels)))
    for run, answers in ANSWERS.items():
        for place, answer in enumerate(answers, 1):
            assert names[f"run{run:02d}/test/item{place:02d}.png"] == f"run{run:02d}/class{answer + 1:02d}"
            assert names[f"run{run:02d}/training/class{place:02d}.png"] == f"run{run:02d}/class{place:02d}"
    assert [images.group_names[group] for group in images.groups] == [name[:5] for name in images.image_ids]
    assert images.queries.tolist() == ["/test/" in name for name in images.image_ids] == (~images.gallery).tolist()
    assert set(images.split) == {"test"}


@pytest.mark.parametrize("below", ["", "all_runs"])
def test_extracted_runs_are_the_same(root: Path, below: str) -> None:
    zipped = load_images("omniglot-one-shot")
    with zipfile.ZipFile(root / "all_runs.zip") as archive:
        archive.extractall(root / below)
    (root / "all_runs.zip").unlink()
    assert load_images("omniglot-one-shot").data_hash == zipped.data_hash


def test_what_is_missing_is_said(root: Path) -> None:
    damaged = {**files(), "run01/class_labels.txt": b"run01/test/item01.png run01/training/class09.png\n"}
    with zipfile.ZipFile(root / "all_runs.zip", "w") as archive:
        for name, content in damaged.items():
            archive.writestr(name, content)
    with pytest.raises(
        InputError, match=r"run01/class_labels.txt in .*, line 1: .*class09.png' does not name two drawings"
    ):
        load_images("omniglot-one-shot")
    with zipfile.ZipFile(root / "all_runs.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(InputError, match="holds no runs"):
        load_images("omniglot-one-shot")
    (root / "all_runs.zip").unlink()
    with pytest.raises(InputError, match="all_runs.zip, or the folders run01 to run20"):
        load_images("omniglot-one-shot")
