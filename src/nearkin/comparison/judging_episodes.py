"""Judging a run by the episodes of its recipe.

episodes.csv    in the folder of a run: one row an episode, the share of its queries that were named rightly, a column a
                size; an empty cell where a size has fewer episodes than another
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from nearkin.comparison.embedded import Trained, searched_by
from nearkin.comparison.episode_sizes import Size, drawn, score_name
from nearkin.comparison.run_files import number_text, write_csv
from nearkin.comparison.runs import Run
from nearkin.comparison.study import Study
from nearkin.evaluation import Episodes, judge_episodes

FILE = "episodes.csv"


def episodes_of(study: Study, run: Run, trained: Trained | None, embeddings: np.ndarray) -> dict[str, Episodes]:
    """What a run whose test images have these `embeddings` answers in the episodes of every size, by the size's score."""
    test = study.splits[run.protocol].test
    sizes = study.recipe.evaluation.get("episodes", ())
    return {score_name(size): _answered(study, run, trained, embeddings, size, test) for size in sizes}


def validation_episodes(study: Study, run: Run, trained: Trained, embeddings: np.ndarray, size: Size) -> float:
    """The accuracy of validation images with these `embeddings` in the episodes of one size."""
    return _answered(study, run, trained, embeddings, size, study.splits[run.protocol].validation).accuracy


def _answered(
    study: Study, run: Run, trained: Trained | None, embeddings: np.ndarray, size: Size, indices: np.ndarray
) -> Episodes:
    draw = drawn(size, study.images, indices, study.recipe.split["seed"])
    return judge_episodes(embeddings, draw, distance=searched_by(run, trained))


def write_episodes(folder: Path, found: Mapping[str, Episodes]) -> None:
    """`episodes.csv`, whole or not at all; nothing where there are no episodes."""
    if not found:
        return
    columns: list[Any] = [each.accuracies for each in found.values()]
    rows = zip_longest(*columns, fillvalue=np.float64("nan"))
    lines = ([str(place), *map(number_text, row)] for place, row in enumerate(rows))
    write_csv(folder / FILE, ["episode", *found], lines)
