"""Verification scores of embeddings: the pairs of any distance, measured as the distance itself does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nearkin.core import InputError
from nearkin.decision import calibrate_threshold
from nearkin.distances import DISTANCES, SNR, Distance, Mahalanobis, make_distance
from nearkin.evaluation import verification_scores
from nearkin.evaluation.linked import LinkedDistance
from nearkin.evaluation.verification import pairs_of
from oracles.verification import auc, labelled_pairs

rng = np.random.default_rng(0)
Y = np.repeat(np.arange(6), 4)
X = rng.normal(size=(6, 5))[Y] + 0.7 * rng.normal(size=(24, 5))


class Cubed(Distance):
    """A user's own distance."""

    def link(self, squared, anchor_norm, reference_norm):
        return squared**1.5


def measured(distance: Distance) -> list[tuple[float, bool]]:
    return labelled_pairs(distance(torch.from_numpy(X)).detach().tolist(), Y.tolist())


@pytest.mark.parametrize(
    "distance", [*sorted(DISTANCES), SNR(eps=0.5), Mahalanobis.from_factor(rng.normal(size=(3, 5))), Cubed()], ids=str
)
def test_a_pair_is_as_far_apart_as_the_distance_says_in_both_orders(distance):
    made = make_distance(distance)
    wanted = sorted(measured(made))
    found = pairs_of(X, Y, distance)
    np.testing.assert_allclose(found.distances, [d for d, _ in wanted], rtol=1e-9)
    assert found.same.tolist() == [same for _, same in wanted]
    positive, negative = ([d for d, same in wanted if same is kind] for kind in (True, False))
    scored = verification_scores(X, Y, distance=distance)
    assert scored.auc == pytest.approx(auc(positive, negative))
    assert ("both orders" in scored.scoring) == (not made.symmetric)
    assert (scored.positives, scored.negatives, scored.classes) == (36, 240, 6)


def test_tensors_and_arrays_give_the_same_and_float32_is_enough():
    wide, narrow = verification_scores(X, Y), verification_scores(torch.tensor(X, dtype=torch.float32), torch.tensor(Y))
    assert narrow.scores == pytest.approx(wide.scores, abs=1e-9, nan_ok=True) or narrow.auc == pytest.approx(wide.auc)
    assert wide.scoring == "euclidean"
    assert LinkedDistance(make_distance("snr")).name == "snr" and "eps=0.5" in LinkedDistance(SNR(eps=0.5)).name


def test_a_threshold_chosen_elsewhere_keeps_its_rates_apart_from_the_best_ones():
    threshold = calibrate_threshold(pairs_of(X[Y < 3], Y[Y < 3]), bootstrap=0)
    found = verification_scores(X[Y >= 3], Y[Y >= 3])
    rates = found.at(threshold.value)
    assert (rates.tpr + rates.tnr) / 2 <= found.balanced_accuracy
    assert rates.positive_share == pytest.approx(18 / 66)


def test_references_are_the_other_side_of_every_pair():
    found = verification_scores(X[:8], Y[:8], references=X[8:], reference_labels=Y[8:] % 2)
    assert found.positives + found.negatives == 8 * 16 and found.positives == 8 * 8


def test_progress_is_told_up_to_1(monkeypatch):
    monkeypatch.setattr("nearkin.decision.pair_sweep.BLOCK", 100)
    told = []
    verification_scores(X, Y, on_progress=told.append)
    assert told == sorted(told) and len(told) == 6 and told[-1] == 1


def test_intervals_on_request():
    assert verification_scores(X, Y).intervals == {}
    low, high = verification_scores(X, Y, bootstrap=100).intervals["auc"]
    assert low < verification_scores(X, Y).auc < high


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": np.zeros(24, dtype=int)}, "no negative ones"),
        ({"labels": np.arange(24)}, "no positive ones"),
        ({"labels": Y.astype(float)}, "whole numbers"),
        ({"embeddings": np.where(X > 1, np.nan, X)}, "NaN"),
        ({"references": X}, "together"),
        ({"references": X[:, :2], "reference_labels": Y}, "same network"),
        ({"distance": "euclid"}, "did you mean 'euclidean'"),
    ],
)
def test_what_cannot_be_judged_is_said(change, words):
    with pytest.raises(InputError, match=words):
        verification_scores(**({"embeddings": X, "labels": Y} | change))
