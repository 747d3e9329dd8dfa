"""ROC, DET, AUC, equal error, TAR at FAR: as the scalar loops have them, with ties, in every degenerate case."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearkin.core import InputError
from nearkin.decision import Roc, det, given_pairs, verification
from oracles import verification as loops

GRID = st.lists(st.integers(0, 6).map(lambda n: n / 4), min_size=1, max_size=12)
"""Distances with many ties, exact in binary."""


@settings(deadline=None, max_examples=150)
@given(GRID, GRID, st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.5, 0.9, 1.0]))
def test_everything_is_as_the_loops_have_it(positive, negative, rate):
    found = verification(given_pairs(positive, negative), far=())
    curve = loops.roc(positive, negative)
    assert found.roc.far.tolist() == pytest.approx([far for far, _, _ in curve])
    assert found.roc.tar.tolist() == pytest.approx([tar for _, tar, _ in curve])
    assert found.roc.thresholds[1:].tolist() == [t for _, _, t in curve[1:]]
    assert found.auc == pytest.approx(loops.auc(positive, negative))
    assert (found.eer, found.eer_threshold) == pytest.approx(loops.eer(positive, negative))
    assert (found.balanced_accuracy, found.balanced_threshold) == pytest.approx(
        loops.best(positive, negative, loops.balanced)
    )
    tar, threshold = loops.tar_at_far(positive, negative, rate)
    place = found.roc.place_at_far(rate)
    assert found.roc.tar_at_far(rate) == pytest.approx(tar)
    assert found.roc.thresholds[place] == (-np.inf if threshold is None else threshold)


@settings(deadline=None, max_examples=60)
@given(GRID, GRID, st.integers(-1, 7).map(lambda n: n / 4 + 0.125))
def test_rates_of_a_threshold_are_shares_of_pairs(positive, negative, threshold):
    rates = Roc.of(given_pairs(positive, negative).counts()).at(threshold)
    tpr, far = loops.share_within(positive, threshold), loops.share_within(negative, threshold)
    assert (rates.tpr, rates.far, rates.tnr) == pytest.approx((tpr, far, 1 - far))
    right, wrong = tpr * len(positive), far * len(negative)
    assert rates.precision == (pytest.approx(right / (right + wrong)) if right + wrong else None)
    assert rates.positive_share == pytest.approx(len(positive) / (len(positive) + len(negative)))


def test_a_threshold_counts_the_pairs_that_lie_on_it():
    roc = Roc.of(given_pairs([0.5], [0.5, 0.7]).counts())
    assert (roc.at(0.5).tpr, roc.at(0.5).far) == (1, 0.5)
    assert (roc.at(np.nextafter(0.5, 0)).tpr, roc.at(-1).far) == (0, 0)


def test_precision_depends_on_the_share_of_positives_and_rates_do_not():
    roc = Roc.of(given_pairs([0.1] * 921 + [9] * 79, [0.1] * 2 + [9] * 998).counts())
    assert (roc.at(1).tpr, roc.at(1).tnr) == (0.921, 0.998)
    assert roc.at(1, positive_share=3000 / 4_498_500).precision == pytest.approx(0.235, abs=5e-4)  # document 002
    assert roc.at(1, positive_share=21_000 / 24_496_500).precision == pytest.approx(0.283, abs=5e-4)


def test_true_accepts_at_a_rate_that_the_pairs_cannot_support_are_not_said():
    rng = np.random.default_rng(0)
    found = verification(given_pairs(rng.normal(0, 1, 50), rng.normal(3, 1, 1000)))
    assert [found.tar_at_far[rate] is None for rate in (1e-1, 1e-2, 1e-3, 1e-4)] == [False, False, True, True]
    assert "needs at least 100,000 impostor pairs, there are 1,000" in found.reasons[1e-4]
    assert list(found.scores) == [
        "auc", "eer", "tar@far=0.1", "tar@far=0.01", "tar@far=0.001", "tar@far=0.0001", "balanced-accuracy",
    ]  # fmt: skip


@pytest.mark.parametrize(("positive", "negative", "missing"), [([], [0.5], "positive"), ([0.5], [], "negative")])
def test_pairs_of_one_kind_have_no_curve(positive, negative, missing):
    with pytest.raises(InputError, match=f"no {missing} ones"):
        verification(given_pairs(positive, negative))


def test_a_collapsed_network_scores_chance():
    found = verification(given_pairs([0.0] * 30, [0.0] * 200), far=(0.1,))
    assert (found.auc, found.eer, found.balanced_accuracy) == (0.5, 0.5, 0.5)
    assert found.tar_at_far == {0.1: 0.0}


@pytest.mark.parametrize("far", [0, 1, -0.1, 2, float("nan"), "0.1", True])
def test_a_rate_lies_between_0_and_1(far):
    with pytest.raises(InputError):
        verification(given_pairs([0.1], [0.2]), far=(far,))


@pytest.mark.parametrize("bad", [[np.nan], [np.inf], ["a"], [[0.1]]])
def test_distances_that_are_none_are_refused(bad):
    with pytest.raises(InputError):
        given_pairs(bad, [0.1])
    with pytest.raises(InputError, match="no pairs"):
        given_pairs([], [])


def test_det_of_two_normals_is_a_line_with_their_difference():
    near, far = (NormalDist(mean).samples(20_000, seed=mean) for mean in (0, 2))
    curve = det(Roc.of(given_pairs(near, far).counts()), most=100)
    assert len(curve.x) <= 100
    middle = (curve.far > 0.002) & (curve.miss > 0.002)
    np.testing.assert_allclose((curve.x + curve.y)[middle], -2, atol=0.15)
    assert NormalDist().cdf(curve.x[3]) == pytest.approx(curve.far[3])
    assert ((curve.far > 0) & (curve.far < 1) & (curve.miss > 0) & (curve.miss < 1)).all()


def test_fewer_points_of_a_curve_keep_its_ends_and_its_area():
    rng = np.random.default_rng(1)
    roc = Roc.of(given_pairs(rng.normal(0, 1, 3000), rng.normal(1, 1, 3000)).counts())
    some = roc.points(100)
    assert len(some.far) <= 100
    assert (some.far[0], some.tar[0], some.far[-1], some.tar[-1]) == (0, 0, 1, 1)
    assert some.auc == pytest.approx(roc.auc, abs=2e-3)
    assert roc.points(10_000) is roc


def test_intervals_come_from_the_classes():
    rng = np.random.default_rng(2)
    own = np.repeat(np.arange(20), 6)
    two = np.array([(a, b) for a in range(20) for b in range(a)]).repeat(3, 0)
    pairs = given_pairs(rng.normal(0, 1, 120), rng.normal(2, 1, len(two)), positive_classes=own, negative_classes=two)
    found = verification(pairs, far=(0.1,), bootstrap=200)
    assert set(found.intervals) == {"auc", "eer", "tar@far=0.1", "balanced-accuracy"}
    for name, (low, high) in found.intervals.items():
        assert low < found.scores[name] < high
    assert verification(pairs, far=(0.1,), bootstrap=200).intervals == found.intervals
    assert verification(pairs).intervals == {}
    bare = verification(given_pairs([0.1], [0.2]), bootstrap=10)
    assert bare.intervals == {} and "without their classes" in bare.notes[0]
