"""ECE of equal mass, Brier scores and AUROC equal the loops; a liar is caught."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearkin.core import InputError
from nearkin.decision import brier_of_classes, reliability
from oracles import reliability as oracle


@given(seed=st.integers(0, 500), size=st.integers(1, 60), bins=st.integers(1, 20), grid=st.booleans())
def test_scores_equal_the_loops_whatever_ties(seed, size, bins, grid):
    rng = np.random.default_rng(seed)
    probability = rng.integers(0, 6, size) / 5 if grid else rng.random(size)
    right = rng.random(size) < 0.7
    found = reliability(probability, right, bins=bins)
    given_, flags = probability.tolist(), right.tolist()
    assert found.calibration_error == pytest.approx(oracle.calibration_error(given_, flags, bins), abs=1e-12)
    assert found.brier == pytest.approx(oracle.brier(given_, flags), abs=1e-12)
    assert found.constant == pytest.approx(oracle.brier([right.mean()] * size, flags), abs=1e-12)
    assert found.count.sum() == size and np.ptp(found.count) <= 1
    if right.any() and not right.all():
        assert found.auroc == pytest.approx(oracle.auroc(given_, flags), abs=1e-12)
        assert found.skill == pytest.approx(1 - found.brier / found.constant)
    else:
        assert np.isnan(found.auroc) and np.isnan(found.skill)


def test_the_order_of_queries_does_not_matter():
    rng = np.random.default_rng(0)
    probability, right = rng.integers(0, 4, 40) / 4, rng.random(40) < 0.5
    turned = rng.permutation(40)
    assert reliability(probability, right).scores == pytest.approx(
        reliability(probability[turned], right[turned]).scores
    )


def test_who_keeps_his_word_scores_near_zero_and_a_liar_his_lie():
    rng = np.random.default_rng(1)
    probability = rng.random(40_000)
    right = rng.random(40_000) < probability
    honest = reliability(probability, right)
    assert honest.calibration_error < 0.01 and honest.skill == pytest.approx(1 / 3, abs=0.02)
    liar = reliability(probability, rng.random(40_000) < probability**3)
    assert liar.calibration_error == pytest.approx(0.25, abs=0.02)
    assert liar.confidence - liar.accuracy == pytest.approx(0.25, abs=0.02)


@given(seed=st.integers(0, 200))
def test_brier_over_all_classes_equals_the_loops(seed):
    rng = np.random.default_rng(seed)
    rows, truth = rng.dirichlet(np.ones(4), size=9), rng.integers(0, 4, 9)
    score, constant = brier_of_classes(rows, truth)
    assert score == pytest.approx(oracle.brier_of_classes(rows.tolist(), truth.tolist()), abs=1e-12)
    shares = [[float((truth == c).mean()) for c in range(4)]] * 9
    assert constant == pytest.approx(oracle.brier_of_classes(shares, truth.tolist()), abs=1e-12)


@pytest.mark.parametrize(
    ("probability", "right", "words"),
    [
        ([], [], "two columns"),
        ([0.5], [1], "flags"),
        ([0.5, 0.1], [True], "two columns"),
        ([1.5], [True], "0 to 1"),
        ([float("nan")], [True], "0 to 1"),
    ],
)
def test_what_is_no_probability_is_refused(probability, right, words):
    with pytest.raises(InputError, match=words):
        reliability(np.array(probability), np.array(right))
