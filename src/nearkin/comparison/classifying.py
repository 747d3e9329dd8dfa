"""What a loss with a classifier of its own answers: the share of images that it labels rightly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from nearkin.evaluation import Evaluation

SCORES = ("accuracy", "class-accuracy")


def with_classifier(found: Evaluation, loss: Any, embeddings: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> Evaluation:
    """`found` with the accuracy of `loss.classify(embeddings) -> (n, C)`, unchanged for a loss without it.

    classes: (C,) the label that each column means, ascending; ties go to the first of them
    Scores:  accuracy, over images, and class-accuracy, the mean over classes; an image of a class that was not trained on
             cannot be labelled rightly and counts as wrong
    """
    if not callable(getattr(loss, "classify", None)):
        return found
    with torch.inference_mode():
        at = next(loss.parameters()).device
        answers = classes[loss.classify(torch.from_numpy(embeddings).to(at)).argmax(1).cpu().numpy()]
    right = (answers == labels).astype(np.float64)
    by_class = [right[labels == label].mean() for label in np.unique(labels)]
    scores = {"accuracy": float(right.mean()), "class-accuracy": float(np.mean(by_class))}
    return replace(found, scores={**found.scores, **scores}, queries={**found.queries, "accuracy": right})
