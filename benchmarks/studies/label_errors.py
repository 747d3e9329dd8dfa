"""What `nearkin gallery check` finds where labels of a share of the images were changed at random (docs/gallery.md).

    python benchmarks/studies/label_errors.py
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from nearkin.data import load_images
from nearkin.gallery import Gallery
from nearkin.gallery.entries import Entry


def main() -> None:
    """Print a line a data set."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--share", type=float, default=0.05)
    asked.add_argument("--seed", type=int, default=0)
    words = asked.parse_args()
    for name in ("digits", "faces", "omniglot"):
        images = load_images(name)
        rng = np.random.default_rng(words.seed)
        chosen = np.arange(len(images))
        if name == "omniglot":
            chosen = np.flatnonzero(np.isin(images.labels, rng.permutation(len(images.classes))[:100]))
        low, high = images.value_range
        with tempfile.TemporaryDirectory() as folder:
            gallery = Gallery.create(Path(folder) / "gallery")
            pixels = [((images.pixels[each] - low) * (255 / (high - low))).round().astype(np.uint8) for each in chosen]
            rows = gallery.embedder.embed([np.moveaxis(each, 0, 2) for each in pixels])
            labels = images.labels[chosen].copy()
            changed = rng.permutation(len(chosen))[: int(words.share * len(chosen))]
            for each in changed:
                labels[each] = rng.choice(np.setdiff1d(images.labels[chosen], [labels[each]]))
            entries = [Entry(f"{place:064x}", str(label), row) for place, (label, row) in enumerate(zip(labels, rows, strict=True))]
            gallery.store.add(entries)
            ids = gallery.view().enrolled.ids
            suspects = {each.id for each in gallery.check().suspects}
            hits = len(suspects & set(ids[changed].tolist()))
        print(f"{name}: {len(chosen):,} images, {len(changed)} changed, {len(suspects)} listed, {hits} of these changed", flush=True)


if __name__ == "__main__":
    main()
