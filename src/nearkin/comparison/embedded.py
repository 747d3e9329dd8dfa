"""What a run has made, its embeddings, and by which distance they are searched."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from nearkin.comparison.classifying import with_classifier
from nearkin.comparison.fitting import Fitted
from nearkin.comparison.inputs import Pixels
from nearkin.comparison.runs import Run
from nearkin.comparison.study import Study
from nearkin.distances import DISTANCES, Distance
from nearkin.evaluation import Evaluation, evaluate
from nearkin.networks import embed
from nearkin.training import History


@dataclass(frozen=True)
class Trained:
    """A network and a loss with the weights of a run; without loss and history it was not trained.

    fitted: the map of the method's estimator, behind the network, or behind its inputs where there is no network
    """

    network: nn.Module | None = None
    loss: Any = None
    history: History | None = None
    fitted: Fitted | None = None


def embeddings_of(study: Study, run: Run, trained: Trained | None, indices: np.ndarray) -> np.ndarray:
    """Embeddings (n, D) of the images at `indices`; without a network their features, or their pixels, as rows."""
    if trained is None or trained.network is None:
        inputs = Pixels(study.images) if run.method.kind == "pixels" else study.inputs
        rows: np.ndarray = inputs(indices).reshape(len(indices), -1)
    else:
        size = max(1, min(512, 2**24 // int(np.prod(study.inputs.shape))))
        batches = (study.inputs(indices[start : start + size]) for start in range(0, len(indices), size))
        rows = embed(trained.network, batches)
    return rows if trained is None or trained.fitted is None else trained.fitted(rows)


def classified(
    found: Evaluation, trained: Trained | None, embeddings: np.ndarray, labels: np.ndarray, classes: np.ndarray
) -> Evaluation:
    """With what the loss's classifier answers; it reads embeddings, not the rows of an estimator behind them."""
    if trained is None or trained.fitted is not None:
        return found
    return with_classifier(found, trained.loss, embeddings, labels, classes)


def searched_by(run: Run, trained: Trained | None) -> Distance | str:
    """By which distance embeddings are searched: the loss's own, with what it learned, where the name means that one.

    Behind an estimator, whose rows are in a space of their own, it is the one of that name.
    """
    name: str = run.method.evaluation["distance"]
    own = None if trained is None or trained.fitted is not None else getattr(trained.loss, "distance", None)
    return own if isinstance(own, Distance) and type(own) is DISTANCES[name] else name


def drawn_rows(run: Run, trained: Trained | None, embeddings: np.ndarray) -> np.ndarray:
    """The embeddings that are written: after the projection of a distance with learned parameters, else as they are."""
    distance = searched_by(run, trained)
    if isinstance(distance, str) or not any(True for _ in distance.parameters()):
        return embeddings
    with torch.inference_mode():
        at = next(distance.parameters()).device
        rows: np.ndarray = distance.project(torch.from_numpy(embeddings).to(at, torch.float64)).float().cpu().numpy()
    return rows


def evaluated(*arguments: Any, **options: Any) -> Evaluation:
    """`evaluate`, whose warnings stand in its notes as well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return evaluate(*arguments, **options)


def own_groups(study: Study, indices: np.ndarray) -> np.ndarray | None:
    """The groups of images whose neighbours of the own group do not count; None where all do."""
    if study.images.groups is None or not study.recipe.evaluation["ignore_own_group"]:
        return None
    groups: np.ndarray = study.images.groups[indices]
    return groups
