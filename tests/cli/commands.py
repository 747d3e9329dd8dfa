"""Commands as a person types them, run in this process."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result
from PIL import Image

from nearkin.cli.program import program
from nearkin.data import load_images

QUICK = ("training.steps=3", "training.validate_every=3", "seeds=1", "protocols=closed-set", "data.limit_per_class=20")
"""Changes that make a packaged recipe on digits a matter of a second."""


def nearkin(*words: object) -> Result:
    """`nearkin WORDS`; an exception that no sentence was made of is a fault of the test."""
    return CliRunner().invoke(program, [str(word) for word in words])


def refused(*words: object) -> str:
    """The one sentence on stderr of a command that ends with exit code 2."""
    result = nearkin(*words)
    assert result.exit_code == 2, (result.exit_code, result.output)
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def folder_of_digits(place: Path, *, each: int = 12, names: list[str] | None = None) -> Path:
    """Real digits as PNG files, one folder a class; `names` for the classes."""
    digits = load_images("digits", limit_per_class=each)
    for label, name in enumerate(names or [f"digit {label}" for label in range(10)]):
        (place / name).mkdir(parents=True)
        for number in np.flatnonzero(digits.labels == label):
            Image.fromarray((digits.pixels[number, 0] * 15).astype(np.uint8)).save(place / name / f"{number}.png")
    return place


def table_of_digits(place: Path, names: list[str], *, each: int = 12) -> Path:
    """The same with a CSV, whose labels may be any text."""
    digits = load_images("digits", limit_per_class=each)
    place.mkdir(parents=True)
    with open(place / "images.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label"])
        for number, label in enumerate(digits.labels):
            if label < len(names):
                Image.fromarray((digits.pixels[number, 0] * 15).astype(np.uint8)).save(place / f"{number}.png")
                rows.writerow([f"{number}.png", names[label]])
    return place / "images.csv"
