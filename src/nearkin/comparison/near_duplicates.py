"""Pairs of images in different parts of a split that look almost the same, listed for a person in the study's folder."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from nearkin.core import write_atomically
from nearkin.data import ImageSet, Split, near_duplicates

HEADER = ("similarity", "first", "first_part", "second", "second_part")


def write_near_duplicates(path: Path, images: ImageSet, split: Split) -> int:
    """Write the pairs that correlate by 0.99 or more, nearest first, at most 1,000; an existing list is kept. Their number."""
    if not path.exists():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(HEADER)
        for pair in near_duplicates(images, split):
            names = pair.first_id, pair.first_part, pair.second_id, pair.second_part
            writer.writerow([f"{pair.similarity:.4f}", *names])
        write_atomically(path, text.getvalue())
    return len(list(csv.reader(path.read_text("utf-8").splitlines()))) - 1
