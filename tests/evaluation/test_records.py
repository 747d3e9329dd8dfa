"""An evaluation is complete: its scores are the means of its records, and importing it stays light."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest

from evaluation.cases import random_case, tied_case
from nearkin.evaluation import evaluate


def test_every_score_is_the_mean_of_its_column():
    case = tied_case(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = evaluate(case.x, case.y, distance="snr", knn=(1, 3))
    names = {
        **{f"recall@{k}": f"hit@{k}" for k in (1, 2, 4, 8)},
        **{"precision@1": "hit@1", "r-precision": "r-precision", "map@r": "ap@r"},
        **{f"knn@{k}{form}": f"knn@{k}{form}" for k in (1, 3) for form in ("", "-top5", "-weighted", "-weighted-top5")},
    }
    assert set(found.scores) == {*names, "nmi", "ami", "pairwise-f1"}
    for score, column in names.items():
        assert found.scores[score] == pytest.approx(np.nanmean(found.queries[column]), abs=1e-12), score
    assert set(found.queries) == {*names.values(), "predicted@1", "predicted@3", "relevant", "neighbours", "distances"}
    assert {len(values) for values in found.queries.values()} == {18}


def test_only_what_was_asked_for_is_computed():
    case = random_case(0)
    found = evaluate(case.x, case.y, at=(3,), knn=(), clustering=False)
    assert set(found.scores) == {"recall@3", "precision@1", "r-precision", "map@r"}
    assert found.clustering is None


def test_few_references_leave_gaps_in_the_records():
    found = evaluate(np.array([[0.0], [1.0], [5.0], [6.0]]), [0, 0, 1, 1], knn=(1,))
    assert found.queries["neighbours"][0].tolist() == [1, 2, 3] + [-1] * 7
    assert found.queries["distances"][0][:3].tolist() == [1, 5, 6]
    assert np.isnan(found.queries["distances"][:, 3:]).all()


def test_memory_stays_by_the_block_not_by_the_square():
    """6,000 queries against 6,000 references are 288 MB of float64 distances."""
    code = (
        "import resource, numpy as np, torch; torch.set_num_threads(1); from nearkin.evaluation import evaluate\n"
        "x = np.random.default_rng(0).normal(size=(6000, 2)).astype('f'); y = np.arange(6000) // 4\n"
        "evaluate(x[:300], y[:300], clustering=False)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "evaluate(x, y, clustering=False, block=64)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    grown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(grown) < 60  # megabytes


def test_importing_the_room_imports_no_scikit_learn_and_no_scipy():
    code = "import sys, nearkin.evaluation; print([m for m in ('sklearn', 'scipy', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
