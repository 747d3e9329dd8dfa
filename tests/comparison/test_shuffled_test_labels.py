"""Labels of test images have no part in what is trained, chosen or tuned: shuffled, they change nothing before the test."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from comparison.studies import recipe
from nearkin.comparison import compare
from nearkin.data import load_images


def write_images(folder: Path, *, shuffle: bool) -> Path:
    """Real digits as files with a CSV that has a split; `shuffle` deals the test images' labels anew."""
    digits = load_images("digits", limit_per_class=20)
    parts = np.where(np.arange(len(digits)) % 5 == 0, "test", np.where(np.arange(len(digits)) % 5 == 1, "validation", "train"))
    labels = digits.labels.copy()
    test = np.flatnonzero(parts == "test")
    if shuffle:
        labels[test] = np.random.default_rng(1).permutation(labels[test])
        assert (labels != digits.labels).sum() > len(test) / 2
    folder.mkdir()
    with open(folder / "images.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "split"])
        for number, (pixels, label, part) in enumerate(zip(digits.pixels, labels, parts, strict=True)):
            Image.fromarray((pixels[0] * 15).astype(np.uint8)).save(folder / f"{number}.png")
            table.writerow([f"{number}.png", f"digit {label}", part])
    return folder / "images.csv"


def judged(tmp_path: Path, *, shuffle: bool, sampler: str, trials: int) -> Path:
    source = write_images(tmp_path / f"images-{shuffle}", shuffle=shuffle)
    tuning = {"trials": trials, "sampler": sampler, "search": {"training.learning_rate": {"low": 1e-3, "high": 1e-1, "log": True}}}
    study = tmp_path / f"study-{shuffle}"
    compare(recipe(data={"name": str(source)}, protocols=["official"], tuning=tuning, seeds=1), study)
    return study


def weights(study: Path) -> dict[tuple[str, int | None], bytes]:
    found = {}
    for path in study.glob("*/*/network.safetensors"):
        record = json.loads((path.parent / "run.json").read_text())
        found[record["method"], record.get("trial")] = path.read_bytes()
    return found


@pytest.mark.parametrize(("sampler", "trials"), [("random", 2), ("tpe", 5)])
def test_weights_tuned_values_and_the_validation_table_stay_bit_identical(tmp_path: Path, sampler: str, trials: int) -> None:
    plain, shuffled = (judged(tmp_path, shuffle=shuffle, sampler=sampler, trials=trials) for shuffle in (False, True))
    assert weights(plain) == weights(shuffled)
    assert set(weights(plain)) == {(name, trial) for name in ("siamese", "triplet") for trial in (None, *range(trials))}
    assert (plain / "validation.csv").read_bytes() == (shuffled / "validation.csv").read_bytes()
    assert (plain / "results.csv").read_bytes() != (shuffled / "results.csv").read_bytes()
