"""Known or unknown? A few-shot split asks for novel classes too; before anybody enrolled them, they are to be told from the known.

    unknowns.json   in the folder of a run: schema, known and unknown (numbers of asking images), edges and histograms (shares of
                    the distances to the nearest known image), curve (fpr, tpr, ccr), scores

An asking image is answered by its nearest known image and accepted within a threshold; `evaluation.open_set_scores` says how
auroc, fpr@95tpr and oscr sum up all thresholds.
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
from nearkin.core import write_json
from nearkin.decision.open_set import OpenSet
from nearkin.evaluation import open_set_scores

FILE = "unknowns.json"
SCHEMA = 1
SCORES = ("auroc", "fpr@95tpr", "oscr")
POINTS = 200


def unknowns(study: Study, run: Run, trained: Trained | None, embeddings: NDArray[np.float32]) -> dict[str, Any] | None:
    """What `unknowns.json` says of a run whose test images have these `embeddings`; None where no class is novel."""
    split, labels = study.splits[run.protocol], study.images.labels
    if not len(split.enrolled):
        return None
    answering = np.concatenate([split.train, split.validation])
    found = open_set_scores(
        embeddings,
        labels[split.test],
        support=embeddings_of(study, run, trained, answering),
        support_labels=labels[answering],
        distance=searched_by(run, trained),
    )
    kinds = {"known": _weighed(found, found.tpr), "unknown": _weighed(found, found.fpr)}
    edges = common_edges(*kinds.values())
    return {
        "schema": SCHEMA,
        "known": found.known,
        "unknown": found.unknown,
        "edges": short(edges),
        "histograms": {kind: shares_of(each, edges) for kind, each in kinds.items()},
        "curve": _curve(found),
        "scores": {name: found.scores[name] for name in SCORES},
    }


def write_unknowns(folder: Path, facts: dict[str, Any] | None) -> dict[str, float]:
    """`unknowns.json`, whole or not at all, and its scores; nothing where there are no facts."""
    if facts is None:
        return {}
    write_json(folder / FILE, facts)
    scores: dict[str, float] = facts["scores"]
    return scores


def _weighed(found: OpenSet, accepted: NDArray[np.float64]) -> Weighed:
    """The distances at which something is accepted, and the share of one kind that is accepted at each."""
    shares = np.diff(accepted)
    return Weighed(-found.thresholds[1:][shares > 0], shares[shares > 0])


def _curve(found: OpenSet) -> dict[str, list[float]]:
    """Points of the curves, thinned to equal steps of both rates."""
    steps = np.linspace(0, 1, POINTS // 2)
    places = np.unique(np.concatenate([np.searchsorted(rate, steps) for rate in (found.tpr, found.fpr)]))
    places = places[places < len(found.fpr)]
    return {name: short(getattr(found, name)[places]) for name in ("fpr", "tpr", "ccr")}
