"""Pairs as they would be counted if other classes had been met: classes drawn again, with replacement [EVA-7]."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nearkin.decision.pairs import Counts, PairDistances

RESAMPLED = 100_000
"""Pairs of each kind that a draw counts, at most; beyond, the nearest impostors and a sample of the others."""


def drawn(pairs: PairDistances, resamples: int, seed: int) -> Iterator[Counts]:
    """`resamples` draws of as many classes as there are, and what they make of the pairs (`PairDistances.counts`).

    Pairs that share a class are not independent: a class whose images look like another's makes many bad pairs at once.
    So classes are drawn, not pairs.
    """
    rng = np.random.default_rng(seed)
    some = pairs.thinned(RESAMPLED, rng)
    even = np.full(pairs.classes, 1 / pairs.classes)
    for _ in range(resamples):
        yield some.counts(rng.multinomial(pairs.classes, even))


def no_classes_to_draw(pairs: PairDistances) -> str:
    """Why there can be no draws, in words; empty where there can."""
    if pairs.first is None:
        return "the pairs were given without their classes"
    if pairs.classes < 3:
        return f"{pairs.classes} classes are too few to resample"
    return ""
