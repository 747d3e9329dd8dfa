"""What needs no training, on the test images of a study: the score that a trained model must beat to be worth its training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nearkin.comparison.questions import questions
from nearkin.comparison.study import Study
from nearkin.data.protocols import FEW_SHOT
from nearkin.embedding import Preprocessing
from nearkin.embedding.descriptor import SIDE, describe
from nearkin.evaluation import evaluate

BLOCK = 256


def descriptor_score(study: Study, protocol: str) -> float | None:
    """The primary score of the descriptor among the test images; None where it would not mean the same as a run's.

    That is so for kNN scores (training images vote there), clusterings, few-shot splits, and images that say who asks.
    """
    images, test, primary = study.images, study.splits[protocol].test, study.recipe.primary
    retrieval = primary.startswith(("map@r", "recall@", "precision@", "r-precision"))
    if not retrieval or protocol == FEW_SHOT or questions(images, test) is not None or images.image_shape[0] not in (1, 3):
        return None
    seen = replace(Preprocessing.of(images), channels=3, height=SIDE, width=SIDE)
    blocks = [test[start : start + BLOCK] for start in range(0, len(test), BLOCK)]
    rows = np.concatenate([describe(seen([np.moveaxis(image, 0, 2) for image in images.pixels[block]])) for block in blocks])
    own_group = images.groups if study.recipe.evaluation["ignore_own_group"] else None
    groups = None if own_group is None else own_group[test]
    options = {"at": study.recipe.evaluation["at"], "clustering": False}
    return evaluate(rows, images.labels[test], distance="euclidean", groups=groups, **options).scores.get(primary)
