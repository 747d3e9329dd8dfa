"""NeighbourClassifier: scikit-learn's contract, its votes, growth and forgetting, rejection, probabilities that hold."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.utils.estimator_checks import parametrize_with_checks

from nearkin.core import InputError
from nearkin.data import load_images
from nearkin.decision import brier_of_classes, choose_k, reliability
from nearkin.distances import DISTANCES, Mahalanobis, SymmetricSNR, make_distance
from nearkin.estimators import InverseCovariance, NeighbourClassifier
from nearkin.estimators.projecting import projected, space_of

PIXELS, LABELS = (each[np.random.default_rng(0).permutation(1797)] for each in load_digits(return_X_y=True))
TRAIN, TEST = slice(0, 300), slice(300, 900)
NAMED = ["cosine", "euclidean", "inner-product", "snr", "snr-symmetric", "squared-euclidean"]


@parametrize_with_checks(
    [
        NeighbourClassifier(),
        NeighbourClassifier("prototypes"),
        NeighbourClassifier(n_neighbors=3, weights="uniform", distance="cosine"),
    ]
)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


# Answers


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("k", [1, 5, 9])
def test_votes_are_those_of_scikit_learn(k, weights):
    ours = NeighbourClassifier(n_neighbors=k, weights=weights).fit(PIXELS[TRAIN], LABELS[TRAIN])
    theirs = KNeighborsClassifier(k, weights=weights).fit(PIXELS[TRAIN], LABELS[TRAIN])
    assert (ours.predict(PIXELS[TEST]) == theirs.predict(PIXELS[TEST])).mean() > 0.995  # ties are broken in another way
    far, places = ours.kneighbors(PIXELS[TEST], 4)
    wanted = theirs.kneighbors(PIXELS[TEST], 4)[0]
    np.testing.assert_allclose(far, wanted)
    np.testing.assert_allclose(np.linalg.norm(PIXELS[TEST][:, None] - PIXELS[TRAIN][places], axis=2), wanted)


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_:UserWarning")
def test_prototypes_are_those_of_scikit_learn():
    ours = NeighbourClassifier("prototypes").fit(PIXELS[TRAIN], LABELS[TRAIN])
    theirs = NearestCentroid().fit(PIXELS[TRAIN], LABELS[TRAIN])
    np.testing.assert_array_equal(ours.predict(PIXELS[TEST]), theirs.predict(PIXELS[TEST]))
    centres = theirs.centroids_[ours.predict(PIXELS[TEST])]
    np.testing.assert_allclose(
        ours.decision_distance(PIXELS[TEST]), np.linalg.norm(PIXELS[TEST] - centres, axis=1), rtol=1e-5
    )


@pytest.mark.parametrize("method", ["neighbours", "prototypes"])
def test_the_likeliest_class_is_the_one_that_is_answered(method):
    model = NeighbourClassifier(method).fit(PIXELS[TRAIN], LABELS[TRAIN])
    chances = model.predict_proba(PIXELS[TEST])
    np.testing.assert_array_equal(model.classes_[chances.argmax(1)], model.predict(PIXELS[TEST]))
    np.testing.assert_allclose(chances.sum(1), 1)


def test_k_is_the_one_that_answers_best_among_enrolled_rows():
    model = NeighbourClassifier().fit(PIXELS[TRAIN], LABELS[TRAIN])
    tried = model.chosen_k_.accuracy
    assert set(tried) == {1, 3, 5, 7, 9} and tried[model.chosen_k_.k] == max(tried.values())
    apart = choose_k(space_of("euclidean"), PIXELS[TRAIN], LABELS[TRAIN])
    assert tried[1] == pytest.approx(apart.accuracy[1], abs=0.03)


def test_neighbours_of_enrolled_rows_are_others():
    model = NeighbourClassifier(n_neighbors=2).fit(PIXELS[:5], LABELS[:5])
    places = model.kneighbors(return_distance=False)
    assert places.shape == (5, 2) and (places != np.arange(5)[:, None]).all()
    assert NeighbourClassifier("prototypes").fit(PIXELS[TRAIN], LABELS[TRAIN]).kneighbors()[1].shape == (300, 1)


# Distances


@pytest.mark.parametrize("name", NAMED)
def test_a_distance_by_name_is_nearkins_own(name):
    rows = np.random.default_rng(0).normal(size=(9, 5))
    rows[3] = 0
    own = make_distance(name)
    wanted = own(torch.tensor(rows[:4]), torch.tensor(rows[4:])).numpy()
    for distance in (name, own):
        found = space_of(distance).distances(projected(distance, rows[:4]), projected(distance, rows[4:]))
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


def test_all_names_but_learned_ones_are_covered():
    assert {*NAMED, "mahalanobis", "relative-mahalanobis"} == set(DISTANCES)


@pytest.mark.parametrize("distance", ["inner-product", "snr", SymmetricSNR(form="max")])
def test_other_distances_answer_and_their_chances_sum_to_one(distance):
    model = NeighbourClassifier(distance=distance, weights="uniform").fit(PIXELS[TRAIN], LABELS[TRAIN])
    chances = model.predict_proba(PIXELS[TEST])
    np.testing.assert_allclose(chances.sum(1), 1)
    np.testing.assert_array_equal(chances.argmax(1), model.predict(PIXELS[TEST]))
    assert model.score(PIXELS[TEST], LABELS[TEST]) > (0.3 if distance == "inner-product" else 0.85)


def test_a_learned_distance_is_the_euclidean_one_behind_its_map():
    fitted = InverseCovariance("within", shrinkage=0.5).fit(PIXELS[TRAIN], LABELS[TRAIN])
    direct = NeighbourClassifier(distance=fitted.distance()).fit(PIXELS[TRAIN], LABELS[TRAIN])
    behind = NeighbourClassifier().fit(fitted.transform(PIXELS[TRAIN]), LABELS[TRAIN])
    np.testing.assert_allclose(
        direct.predict_proba(PIXELS[TEST]), behind.predict_proba(fitted.transform(PIXELS[TEST])), atol=1e-4
    )
    with pytest.raises(InputError, match="needs what it learned"):
        NeighbourClassifier(distance="mahalanobis").fit(PIXELS[TRAIN], LABELS[TRAIN])
    assert isinstance(clone(direct).distance, Mahalanobis)


# Growing and forgetting


@pytest.mark.parametrize("method", ["neighbours", "prototypes"])
def test_rows_added_later_answer_as_if_they_had_been_there(method):
    whole = NeighbourClassifier(method).fit(PIXELS[TRAIN], LABELS[TRAIN])
    first = LABELS[TRAIN] < 7
    grown = NeighbourClassifier(method).partial_fit(PIXELS[TRAIN][first], LABELS[TRAIN][first])
    assert grown.classes_.tolist() == [0, 1, 2, 3, 4, 5, 6]
    before = grown.predict_proba(PIXELS[TEST])
    assert before.shape == (600, 7)
    grown.partial_fit(PIXELS[TRAIN][~first], LABELS[TRAIN][~first])
    order = np.concatenate([np.flatnonzero(first), np.flatnonzero(~first)])
    same = NeighbourClassifier(method).fit(PIXELS[TRAIN][order], LABELS[TRAIN][order])
    np.testing.assert_array_equal(grown.predict(PIXELS[TEST]), whole.predict(PIXELS[TEST]))
    np.testing.assert_array_equal(grown.predict_proba(PIXELS[TEST]), same.predict_proba(PIXELS[TEST]))
    grown.forget(3)
    kept = order[LABELS[order] != 3]
    without = NeighbourClassifier(method).fit(PIXELS[kept], LABELS[kept])
    assert 3 not in grown.predict(PIXELS[TEST])
    np.testing.assert_array_equal(grown.predict_proba(PIXELS[TEST]), without.predict_proba(PIXELS[TEST]))


def test_longer_names_of_new_classes_are_not_cut():
    model = NeighbourClassifier().partial_fit([[0.0], [1.0]], ["a", "b"])
    assert model.partial_fit([[5.0]], ["a long name"]).predict([[5.1]]).tolist() == ["a long name"]
    assert not model.probability_.is_calibrated


def test_what_cannot_be_forgotten_or_added_is_said():
    model = NeighbourClassifier().fit([[0.0], [1.0]], ["a", "b"])
    with pytest.raises(InputError, match=r"no class 'c' to forget; there are 'a', 'b'"):
        model.forget("c")
    with pytest.raises(InputError, match="only class"):
        model.forget("a").forget("b")
    with pytest.raises(InputError, match="one kind"):
        model.partial_fit([[2.0]], [7])
    with pytest.raises(InputError, match="not among classes"):
        model.partial_fit([[2.0]], ["z"], classes=["a", "b"])
    with pytest.raises(ValueError, match="2 features"):
        model.partial_fit([[2.0, 1.0]], ["b"])
    with pytest.raises(NotFittedError):
        NeighbourClassifier().forget("a")


# Unknowns


@pytest.mark.parametrize(
    ("labels", "unknown", "wanted"),
    [
        ([0, 1], None, [0, -1]),
        (["cat", "dog"], None, ["cat", "unknown"]),
        (["cat", "dog"], "none of them", ["cat", "none of them"]),
        ([0, 1], 99, [0, 99]),
        (np.array([3, 4], dtype=np.uint8), None, [3, -1]),
        (np.array(["cat", "dog"], dtype=object), None, ["cat", "unknown"]),
    ],
)
def test_rows_beyond_the_threshold_are_unknown(labels, unknown, wanted):
    model = NeighbourClassifier(threshold=1.0, unknown=unknown).fit([[0.0], [5.0]], labels)
    assert model.predict([[1.0], [2.6]]).tolist() == wanted
    np.testing.assert_allclose(model.decision_distance([[1.0], [2.6]]), [1.0, 2.4], rtol=1e-6)
    assert model.set_params(threshold=None).predict([[2.6]]).tolist() == [labels[1]]


@pytest.mark.parametrize(
    ("labels", "unknown", "words"),
    [([-1, 1], None, "-1 is a class"), (["a", "b"], 0, "of their kind"), ([0, 1], "?", "of their kind"), ([True, False], None, "no third one")],
)  # fmt: skip
def test_an_unknown_that_is_a_class_is_refused(labels, unknown, words):
    model = NeighbourClassifier(threshold=1.0, unknown=unknown).fit([[0.0], [5.0]], labels)
    with pytest.raises(InputError, match=words):
        model.predict([[9.0]])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "prototype"}, "did you mean 'prototypes'"),
        ({"weights": "inverse"}, "'uniform', 'distance'"),
        ({"n_neighbors": 0}, "at least 1"),
        ({"n_neighbors": "many"}, "whole number"),
        ({"threshold": float("nan")}, "finite distance"),
        ({"distance": "euclid"}, "did you mean 'euclidean'"),
        ({"distance": 3}, "name or a Distance"),
    ],
)
def test_wrong_settings_are_said(settings, words):
    with pytest.raises(InputError, match=words):
        NeighbourClassifier(**settings).fit([[0.0], [1.0]], [0, 1])


def test_more_neighbours_than_rows_are_a_warning():
    with pytest.warns(UserWarning, match="n_neighbors = 7 is more than the 2 enrolled rows"):
        model = NeighbourClassifier(n_neighbors=7).fit([[0.0], [1.0]], [0, 1])
    assert model.predict([[0.2]]).tolist() == [0]


# Probabilities, and its place among other things


@pytest.mark.parametrize("method", ["neighbours", "prototypes"])
def test_probabilities_of_digits_hold(method):
    """1,497 held-out digits; even perfect probabilities would show an error of 0.015."""
    model = NeighbourClassifier(method).fit(PIXELS[TRAIN], LABELS[TRAIN])
    chances = model.predict_proba(PIXELS[300:])
    found = reliability(chances.max(1), chances.argmax(1) == LABELS[300:])
    assert found.calibration_error < 0.05 and found.auroc > 0.85 and found.skill > 0.1
    score, constant = brier_of_classes(chances, LABELS[300:])
    assert score < 0.3 * constant


@pytest.mark.data
def test_probabilities_of_faces_hold():
    """40 people, 4 photos enrolled and 6 held out, three draws: 720 photos."""
    faces = load_images("faces")
    rows = faces.scaled(np.arange(400))[:, 0, ::4, ::4].reshape(400, -1)
    said, came = [], []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(400)
        enrolled = np.concatenate([order[faces.labels[order] == c][:4] for c in range(40)])
        held = np.setdiff1d(order, enrolled)
        model = NeighbourClassifier().fit(rows[enrolled], faces.labels[enrolled])
        chances = model.predict_proba(rows[held])
        said, came = [*said, *chances.max(1)], [*came, *(chances.argmax(1) == faces.labels[held])]
    found = reliability(np.array(said), np.array(came))
    assert found.calibration_error < 0.05 and found.auroc > 0.85 and found.skill > 0.2


def test_it_is_searched_over_and_kept_like_any_other():
    search = GridSearchCV(NeighbourClassifier(), {"method": ["neighbours", "prototypes"]}, cv=3)
    search.fit(PIXELS[:150], LABELS[:150])
    assert search.best_score_ > 0.85
    model = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(model.predict_proba(PIXELS[TEST]), search.predict_proba(PIXELS[TEST]))


def test_it_needs_no_torch():
    code = (
        "import sys\n"
        "from nearkin.estimators import NeighbourClassifier\n"
        "model = NeighbourClassifier(distance='cosine').fit([[1.0, 0], [0, 1.0]], ['a', 'b'])\n"
        "print(model.predict([[2.0, 1.0]])[0], model.predict_proba([[2.0, 1.0]]).shape, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "a (1, 2) False\n", done.stderr
