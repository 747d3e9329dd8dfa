"""Embeddings and labels to verification scores: are two rows of one class? [EVA-4]"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nearkin.core import InputError
from nearkin.decision.pair_sweep import KEEP, pair_distances
from nearkin.decision.pairs import PairDistances
from nearkin.decision.verification import FALSE_ACCEPT_RATES, Verification, verification
from nearkin.distances import Distance
from nearkin.evaluation.inputs import Rows, side
from nearkin.evaluation.linked import LinkedDistance
from nearkin.evaluation.task import same_width


def verification_scores(
    embeddings: Rows,
    labels: object,
    *,
    distance: Distance | str = "euclidean",
    references: Rows | None = None,
    reference_labels: object = None,
    far: Sequence[float] = FALSE_ACCEPT_RATES,
    bootstrap: int = 0,
    confidence: float = 0.95,
    keep: int = KEEP,
    seed: int = 0,
    on_progress: Callable[[float], None] | None = None,
) -> Verification:
    """Judge embeddings by all their pairs: ROC, AUC, equal error rate, TAR at false-accept rates, balanced accuracy.

    Pairs:      all i < j of one set, or every row with every one of `references`. A positive pair is of one class. An
                asymmetric distance is measured in both orders, and a pair's is their mean; `scoring` says so
    Shapes:     embeddings (N, D), labels (N,) whole numbers; references (R, D), reference_labels (R,)
    Intervals:  `bootstrap=1000` resamples of the classes give `intervals` at `confidence`; none by default
    keep, seed: as in `nearkin.decision.pair_distances`: up to 5 million pairs are counted one by one; of more all positive
                and the nearest negative ones are, and a sample stands for the others
    Threshold:  choose it on other data (`nearkin.estimators.Verifier`), then `found.at(threshold)` has its TPR and TNR here
    Progress:   `on_progress` is called with the share of the rows whose pairs are measured, up to 1
    Errors:     InputError for one class, for classes of one row each, NaN, labels that are no whole numbers

    >>> import torch
    >>> found = verification_scores(torch.tensor([[0.0], [0.1], [1.0], [1.1]]), [0, 0, 1, 1], far=())
    >>> found.auc, found.positives, found.negatives
    (1.0, 2, 4)
    """
    pairs = pairs_of(
        embeddings, labels, distance, references, reference_labels, keep=keep, seed=seed, on_progress=on_progress
    )
    return verification(pairs, far=far, bootstrap=bootstrap, confidence=confidence, seed=seed)


def pairs_of(
    embeddings: Rows,
    labels: object,
    distance: Distance | str = "euclidean",
    references: Rows | None = None,
    reference_labels: object = None,
    *,
    keep: int = KEEP,
    seed: int = 0,
    on_progress: Callable[[float], None] | None = None,
) -> PairDistances:
    """The pairs that `verification_scores` judges: for a threshold of `nearkin.decision.calibrate_threshold`, or a histogram."""
    if (references is None) != (reference_labels is None):
        raise InputError("give references and reference_labels together, or neither")
    rows, space = side("embeddings", "", embeddings, labels), LinkedDistance(distance)
    projected = space.project(rows.rows)
    second: tuple[Any, Any] = (None, None)
    if references is not None:
        others = side("references", "reference_", references, reference_labels)
        same_width(rows, others)
        second = space.project(others.rows), others.labels
    return pair_distances(space, projected, rows.labels, *second, keep=keep, seed=seed, on_progress=on_progress)
