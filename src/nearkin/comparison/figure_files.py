"""The figures that a recipe asks for, written as numbers beside the results.

    figures/NAME.json   schema, name, title, source, seed, rows (where real embeddings came from, or null), says,
                        and what `snr_figures` describes: panels and table

The same recipe gives the same numbers: each figure has its own stream of random numbers, derived from the seed of the split.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nearkin.comparison.figures import figure_facts
from nearkin.comparison.real_pairs import RealRows
from nearkin.comparison.runs import Run
from nearkin.comparison.study import Study
from nearkin.core import derived_seed, write_json


def write_figures(study: Study, runs: Sequence[Run]) -> None:
    """Write every figure that the study's recipe asks for, each file whole or not at all."""
    if not study.recipe.figures:
        return
    real = real_rows(study, runs)
    for name in study.recipe.figures:
        facts = figure_facts(name, derived_seed(study.recipe.split["seed"], "figure", name), real)
        write_json(study.folder / "figures" / f"{name}.json", facts)


def real_rows(study: Study, runs: Sequence[Run]) -> RealRows | None:
    """The test images' embeddings of the first finished run of `runs`: features before trained before others."""
    order = ("features", "trained", "fitted", "untrained", "pixels")
    done = [run for run in runs if (run.record() or {}).get("status") == "done"]
    if not done:
        return None
    run = min(done, key=lambda run: order.index(run.method.kind))
    rows = np.load(run.folder / "embeddings.npy").astype(np.float64)
    labels = study.images.labels[study.splits[run.protocol].test]
    words = run.method.name if run.method.kind == "features" else f"{run.method.name}, seed {run.seed}"
    origin = {"run": run.key, "method": run.method.name, "protocol": run.protocol, "seed": run.seed, "images": len(rows)}
    return RealRows(rows, labels, words, origin)
