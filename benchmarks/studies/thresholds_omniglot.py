"""Thresholds chosen on pairs of 1,000 Omniglot characters and applied to pairs of 623 others, by every rule.

Seven drawings of each character, embedded by the library's descriptor, which nobody trained. The share of positive pairs is that
of document 002, 0.0857 %. Prints each rule's threshold with its interval over classes, its rates on the characters it was chosen
on, and those on the others.

    python benchmarks/studies/thresholds_omniglot.py --seed 0 --resamples 200

Needs NEARKIN_DATA with Omniglot, and a minute of one core or two.
"""

from __future__ import annotations

import argparse

import numpy as np

from nearkin.core import derived_seed
from nearkin.data import load_images
from nearkin.decision import PairDistances, Roc, calibrate_threshold, pair_distances, verification
from nearkin.embedding.embedder import Embedder

RULES = (
    ("otsu", {}),
    ("otsu-balanced", {}),
    ("balanced-accuracy", {}),
    ("eer", {}),
    ("far", {"far": 1e-2}),
    ("far", {"far": 1e-3}),
)
DRAWINGS = 7


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--resamples", type=int, default=1000)
    given = options.parse_args()
    chosen_on, applied_to = worlds(given.seed)
    found = verification(applied_to, bootstrap=given.resamples)
    print(f"{applied_to.positives:,} positive and {applied_to.negatives:,} impostor pairs of {applied_to.classes} other characters")
    for name, value in found.scores.items():
        print(f"{name:18} {value:.4f} [{found.intervals[name][0]:.4f}, {found.intervals[name][1]:.4f}]")
    for rule, settings in RULES:
        threshold = calibrate_threshold(chosen_on, rule, bootstrap=given.resamples, **settings)
        rates = Roc.of(applied_to.counts()).at(threshold.value)
        print(f"{threshold}\n    on the others: TPR {rates.tpr:.4f} TNR {rates.tnr:.5f} precision {rates.precision:.4f}", flush=True)


def worlds(seed: int) -> tuple[PairDistances, PairDistances]:
    """The pairs of 1,000 characters, and those of the other 623."""
    images, embedder = load_images("omniglot"), Embedder.load("descriptor")
    rng = np.random.default_rng(derived_seed(seed, "thresholds"))
    order = rng.permutation(len(images.classes))
    found = []
    for classes in (order[:1000], order[1000:]):
        drawn = [rng.choice(np.flatnonzero(images.labels == c), DRAWINGS, replace=False) for c in classes]
        places = np.concatenate(drawn)
        rows = embedder.embed([np.moveaxis(images.pixels[place], 0, -1) for place in places])
        found.append(pair_distances(embedder.space, rows, images.labels[places]))
    return found[0], found[1]


if __name__ == "__main__":
    main()
