"""AUROC, FPR at 95 % TPR and OSCR: as the scalar loops have them, with ties and one query of a kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearkin.core import InputError
from nearkin.decision import open_set
from oracles import verification as loops

SCORE = st.integers(-3, 3).map(lambda n: n / 2)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.booleans(), SCORE), min_size=1, max_size=25), st.lists(SCORE, min_size=1, max_size=10))
def test_everything_is_as_the_loops_have_it(known, unknown):
    correct, scores = zip(*known)
    found, wanted = open_set(correct, scores, unknown), loops.open_set(correct, scores, unknown)
    for name, value in wanted.items():
        assert found.scores[name] == pytest.approx(value), name
    assert found.accuracy == pytest.approx(np.mean(correct))


def test_a_perfect_score_and_a_useless_one():
    perfect = open_set([1, 1, 1], [3.0, 2.0, 2.0], [1.0, 0.0])
    assert list(perfect.scores.values()) == [1, 0, 1, 1]
    useless = open_set([1, 0], [1.0, 1.0], [1.0, 1.0])
    assert list(useless.scores.values()) == [0.5, 1, 0.25, 0.5]


def test_oscr_is_at_most_the_accuracy_and_the_auroc():
    rng = np.random.default_rng(0)
    found = open_set(rng.random(200) < 0.7, rng.normal(1, 1, 200), rng.normal(0, 1, 150))
    assert found.oscr <= min(found.accuracy, found.auroc)
    assert (np.diff(found.ccr) >= 0).all() and found.thresholds[0] == np.inf


def test_exactly_95_percent_is_enough():
    known = np.r_[np.full(19, 2.0), 0.0]
    assert open_set(np.ones(20, dtype=bool), known, [1.0, 1.0]).fpr_at_95_tpr == 0
    assert open_set(np.ones(19, dtype=bool), known[1:], [1.0, 1.0]).fpr_at_95_tpr == 1


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        (([], [], [0.1]), "known"),
        (([1], [0.1], []), "empty"),
        (([1], [np.nan], [0.1]), "NaN"),
        (([1], [0.1], [np.inf]), "infinity"),
        (([1, 0], [0.1], [0.1]), "true or false"),
        (([2], [0.1], [0.1]), "true or false"),
        (([1], ["a"], [0.1]), "numbers"),
    ],
)
def test_what_cannot_be_scored_is_said(given_, words):
    with pytest.raises(InputError, match=words):
        open_set(*given_)
