"""The verifier as an estimator: scikit-learn's contract, and decisions that are those of its threshold."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from nearkin.core import InputError
from nearkin.distances import Mahalanobis, make_distance
from nearkin.estimators import Verifier
from oracles.verification import eer, labelled_pairs, share_within

rng = np.random.default_rng(0)
Y = np.repeat(np.arange(8), 5)
X = rng.normal(size=(8, 4))[Y] + 0.5 * rng.normal(size=(40, 4))


@parametrize_with_checks(
    [
        Verifier(bootstrap=10),
        Verifier("snr", "otsu-balanced", bootstrap=0),
        Verifier("mahalanobis", "f-beta", beta=0.5, bootstrap=0),
    ]
)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


@pytest.mark.parametrize("distance", ["euclidean", "cosine", "snr", Mahalanobis.from_factor(np.eye(4)[:2])], ids=str)
def test_the_threshold_is_that_of_all_pairs_and_decides_ready_ones(distance):
    fitted = Verifier(distance, bootstrap=0).fit(X, Y)
    d = make_distance(distance)(torch.from_numpy(X)).detach().tolist()
    pairs = labelled_pairs(d, Y.tolist())
    positive, negative = ([d for d, same in pairs if same is kind] for kind in (True, False))
    assert fitted.threshold_ == pytest.approx(eer(positive, negative)[1])
    i, j = np.triu_indices(40, 1)
    found = fitted.predict_pairs(X[i], X[j])
    np.testing.assert_allclose(fitted.distance_pairs(X[i], X[j]), [d for d, _ in pairs], rtol=1e-9)
    assert found.dtype == bool and found.tolist() == (fitted.decision_function_pairs(X[i], X[j]) >= 0).tolist()
    same = Y[i] == Y[j]
    assert found[same].mean() == pytest.approx(fitted.calibration_.tpr)  # the pair that lies on the threshold is in
    assert found[~same].mean() == pytest.approx(fitted.calibration_.far)
    assert fitted.predict_pairs(X[j], X[i]).tolist() == found.tolist()  # asymmetric distances too


def test_the_score_is_the_balanced_accuracy_on_other_pairs():
    fitted = Verifier(bootstrap=0).fit(X[:20], Y[:20])
    pairs = labelled_pairs(np.linalg.norm(X[20:, None] - X[None, 20:], axis=2).tolist(), Y[20:].tolist())
    tpr, far = (share_within([d for d, same in pairs if same is kind], fitted.threshold_) for kind in (True, False))
    assert fitted.score(X[20:], Y[20:]) == pytest.approx((tpr + 1 - far) / 2)
    scores = cross_val_score(Verifier(bootstrap=0), X, Y, groups=Y, cv=GroupKFold(4))
    assert scores.shape == (4,) and (scores > 0.5).all()


def test_it_is_calibrated_anew_by_another_rule_on_other_embeddings():
    fitted = Verifier(bootstrap=0).fit(X[:20], Y[:20])
    assert fitted.calibrate_threshold(X, Y, rule="far", far=0.05, bootstrap=50) is fitted
    assert fitted.calibration_.rule == "far" and fitted.calibration_.far <= 0.05 and fitted.calibration_.low is not None
    assert fitted.threshold_ == fitted.calibration_.value
    own = Verifier(rule="far", far=0.05, bootstrap=0).fit(X[5:], Y[5:]).calibrate_threshold(X, Y)
    assert own.threshold_ == fitted.threshold_
    assert own.calibrate_threshold(X, Y, far=0.1).calibration_.settings == {"far": 0.1}
    fresh = Verifier(bootstrap=0).calibrate_threshold(X, Y, rule="otsu-balanced")
    assert fresh.predict_pairs(X[:1], X[:1]).all()


def test_nobody_reads_one_in_ten_thousand_out_of_a_few_hundred_pairs():
    with pytest.raises(
        InputError, match="700 impostor pairs|there are 700; the smallest that they support is far=0.0143"
    ):
        Verifier(rule="far", far=1e-4).fit(X, Y)
    fitted = Verifier(rule="far", far=0.05, bootstrap=0).fit(X, Y)
    assert "chosen on 80 positive and 700 impostor pairs of 8 classes" in repr(fitted)
    assert repr(Verifier(rule="far", far=0.05)) == "Verifier(far=0.05, rule='far')"


def test_it_is_cloned_and_pickled_with_its_distance():
    distance = Mahalanobis.from_factor(np.eye(4)[:2])
    fitted = Verifier(distance, bootstrap=20).fit(X, Y)
    again = pickle.loads(pickle.dumps(fitted))
    assert again.predict_pairs(X[:20], X[20:]).tolist() == fitted.predict_pairs(X[:20], X[20:]).tolist()
    assert again.calibration_ == fitted.calibration_
    assert clone(fitted).fit(X, Y).threshold_ == fitted.threshold_


def test_texts_are_classes_and_the_seed_makes_the_interval():
    names = np.array([f"class {label}" for label in Y])
    first, again, other = (Verifier(bootstrap=30, random_state=s).fit(X, names).calibration_ for s in (0, 0, 1))
    assert first == again != other and first.value == other.value
    assert Verifier(bootstrap=30, random_state=np.random.RandomState(0)).fit(X, Y).calibration_.low is not None


@pytest.mark.parametrize(
    ("options", "x", "y", "words"),
    [
        ({}, X, np.zeros(40, dtype=int), "two classes or more"),
        ({}, X[:16], np.arange(16), "no positive ones"),
        ({}, np.ones((40, 4)), Y, "collapsed"),
        ({"rule": "otzu"}, X, Y, "did you mean 'otsu'"),
        ({"far": 0.1}, X, Y, "does not read 'far'"),
        ({"rule": "far"}, X, Y, "needs the false-accept rate"),
        ({"distance": "euclid"}, X, Y, "did you mean 'euclidean'"),
        ({}, np.where(X > 1, np.nan, X), Y, "NaN"),
    ],
)
def test_what_cannot_be_calibrated_is_said(options, x, y, words):
    with pytest.raises(ValueError, match=words):
        Verifier(bootstrap=0, **options).fit(x, y)


def test_pairs_that_are_none_are_said():
    fitted = Verifier(bootstrap=0).fit(X, Y)
    with pytest.raises(InputError, match="3 rows and B 2"):
        fitted.predict_pairs(X[:3], X[:2])
    with pytest.raises(ValueError, match="features"):
        fitted.predict_pairs(X[:3, :2], X[:3, :2])


def test_digits_of_classes_that_were_not_calibrated_on():
    pixels, labels = load_digits(return_X_y=True)
    some = np.random.default_rng(0).permutation(len(pixels))[:600]
    x, y = pixels[some], labels[some]
    fitted = Verifier(bootstrap=0).fit(x[y < 5], y[y < 5])
    assert fitted.score(x[y >= 5], y[y >= 5]) > 0.7
