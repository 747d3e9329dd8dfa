"""Same or different: a threshold chosen on the pairs of the training images, applied unchanged to those of the test images.

    verification.json   in the folder of a run: schema, chosen_on and asked_of (pairs by kind), thresholds (by rule, with the
                        rates on both), edges and histograms (`training`, `test`: shares of positive and of negative pairs),
                        roc of the test pairs (far, tar), scores

Document 002 draws these histograms, of training and of validation pairs, with its threshold.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.comparison.embedded import Trained, embeddings_of, searched_by
from nearkin.comparison.histograms import Weighed, common_edges, shares_of, short
from nearkin.comparison.runs import Run
from nearkin.comparison.study import Study
from nearkin.core import derived_seed, write_json
from nearkin.data import Split
from nearkin.decision import calibrate_threshold
from nearkin.decision.pairs import PairDistances
from nearkin.decision.roc import Roc
from nearkin.decision.verification import Verification, verification
from nearkin.evaluation.verification import pairs_of

FILE = "verification.json"
SCHEMA = 1
RULES = ("eer", "otsu", "otsu-balanced")
"""The first gives the scores; Otsu is document 002's."""
KEPT = 1_000_000
"""Pairs counted one by one; of more, all positive, the nearest negative ones and a sample that stands for the others."""
POINTS = 200


def verified(study: Study, run: Run, trained: Trained | None, embeddings: NDArray[np.float32]) -> dict[str, Any]:
    """What `verification.json` says of a run whose test images have these `embeddings`."""
    split, labels = study.splits[run.protocol], study.images.labels
    asking = _asking(labels, split)
    known = np.concatenate([split.train, split.validation])

    def pairs(rows: NDArray[np.float32], images: NDArray[np.int64]) -> PairDistances:
        seed = derived_seed(run.seed, "pairs")
        return pairs_of(rows, labels[images], searched_by(run, trained), keep=KEPT, seed=seed)

    training = pairs(embeddings_of(study, run, trained, known), known)
    asked = pairs(embeddings[asking], split.test[asking])
    found = verification(asked)
    chosen = {rule: _threshold(training, found, rule) for rule in RULES}
    parts = {"training": _kinds(training), "test": _kinds(asked)}
    edges = common_edges(*(each for kinds in parts.values() for each in kinds.values()))
    return {
        "schema": SCHEMA,
        "chosen_on": _numbers(training),
        "asked_of": _numbers(asked),
        "thresholds": chosen,
        "edges": short(edges),
        "histograms": {part: {kind: shares_of(each, edges) for kind, each in kinds.items()} for part, kinds in parts.items()},
        "roc": _curve(found.roc),
        "scores": _scores(found, chosen[RULES[0]]),
        "notes": list(found.notes),
    }


def _asking(labels: NDArray[np.int64], split: Split) -> NDArray[np.bool_]:
    """Which test images make pairs: those of classes that were trained on where there are some, else all."""
    known = np.isin(labels[split.test], labels[split.train])
    return known if known.any() else ~known


def write_verification(folder: Path, facts: dict[str, Any]) -> None:
    """`verification.json`, whole or not at all."""
    write_json(folder / FILE, facts)


def _threshold(training: PairDistances, test: Verification, rule: str) -> dict[str, Any]:
    found = calibrate_threshold(training, rule, bootstrap=0)
    there = test.at(found.value)
    return {
        "value": found.value,
        "training": {"tpr": found.tpr, "tnr": found.tnr, "precision": found.precision},
        "test": {"tpr": there.tpr, "tnr": there.tnr, "precision": there.precision},
    }


def _scores(found: Verification, threshold: dict[str, Any]) -> dict[str, float]:
    rates = {f"tar@far={rate:g}": share for rate, share in found.tar_at_far.items() if share is not None}
    applied = {f"{name}-at-threshold": threshold["test"][name] for name in ("tpr", "tnr")}
    return {"verification-auc": found.auc, "eer": found.eer, **applied, **rates}


def _numbers(pairs: PairDistances) -> dict[str, Any]:
    return {"positive": pairs.positives, "negative": pairs.negatives, "classes": pairs.classes, "scoring": pairs.scoring}


def _kinds(pairs: PairDistances) -> dict[str, Weighed]:
    return {
        name: Weighed(pairs.distances[kind], pairs.weights[kind])
        for name, kind in (("positive", pairs.same), ("negative", ~pairs.same))
    }


def _curve(roc: Roc) -> dict[str, list[float]]:
    """Points of the ROC curve, thinned to those where both rates move: equal steps of TAR, and of FAR on a log scale."""
    steps = np.concatenate([np.linspace(0, 1, POINTS // 2), np.geomspace(1e-6, 1, POINTS // 2)])
    places = np.unique(
        np.concatenate([np.searchsorted(roc.tar, steps[: POINTS // 2]), np.searchsorted(roc.far, steps[POINTS // 2 :])])
    )
    places = places[places < len(roc.far)]
    return {"far": short(roc.far[places]), "tar": short(roc.tar[places])}

