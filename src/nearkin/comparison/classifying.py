"""What a loss with a classifier of its own answers: the share of images that it labels rightly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from nearkin.evaluation import Evaluation

SCORES = ("accuracy", "class-accuracy", "accuracy-top5")


def with_classifier(found: Evaluation, loss: Any, embeddings: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> Evaluation:
    """`found` with the accuracy of `loss.classify(embeddings) -> (n, C)`, unchanged for a loss without it.

    classes: (C,) the label that each column means, ascending; ties go to the first of them
    Scores:  accuracy, over images, and class-accuracy, the mean over classes; accuracy-top5, the share of images whose class is
             among the five first; an image of a class that was not trained on cannot be labelled rightly and counts as wrong
    """
    logits = logits_of(loss, embeddings, len(classes))
    if logits is None:
        return found
    five = classes[np.argsort(-logits, axis=1, kind="stable")[:, :5]] == labels[:, None]
    right, within = five[:, 0].astype(np.float64), five.any(1).astype(np.float64)
    by_class = [right[labels == label].mean() for label in np.unique(labels)]
    scores = {"accuracy": float(right.mean()), "class-accuracy": float(np.mean(by_class)), "accuracy-top5": float(within.mean())}
    records = {"accuracy": right, "accuracy-top5": within}
    return replace(found, scores={**found.scores, **scores}, queries={**found.queries, **records})


def logits_of(loss: Any, embeddings: np.ndarray, classes: int) -> np.ndarray | None:
    """What the loss's classifier says of embeddings (n, D): (n, C); None for a loss without one.

    classes: C, fewer than it has learnt where it has learnt turns of classes too, which come after the classes themselves
    """
    if not callable(getattr(loss, "classify", None)):
        return None
    with torch.inference_mode():
        at = next(loss.parameters()).device
        logits: np.ndarray = loss.classify(torch.from_numpy(embeddings).to(at)).cpu().numpy()[:, :classes]
    return logits
