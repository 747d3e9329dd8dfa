"""LMNN: the objective equals scalar loops, the estimator keeps scikit-learn's contract and makes neighbours better."""

from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from nearkin.core import InputError
from nearkin.estimators import LMNN, lmnn_objective, target_neighbours
from nearkin.evaluation import evaluate
from oracles import lmnn as oracle
from oracles.gradient import value_and_gradient

RNG = np.random.default_rng
LABELS = np.array([2, 0, 1, 2, 1, 5, 1, 0, 2, 2, 1])  # one class of two members, one of a single one


def case(seed: int, size: int = 3, grid: bool = False) -> np.ndarray:
    rng = RNG(seed)
    return rng.integers(-1, 2, (len(LABELS), size)).astype(float) if grid else rng.normal(size=(len(LABELS), size))


def listed(targets: np.ndarray) -> list[list[int]]:
    return [[j for j in row if j >= 0] for row in targets.tolist()]


# Targets and the objective


@pytest.mark.parametrize("k", [1, 2, 3, 20])
@pytest.mark.parametrize("grid", [False, True])
def test_targets_are_the_nearest_of_the_class_with_the_lowest_index_first(k, grid):
    for seed in range(5):
        x = case(seed, grid=grid)
        found = target_neighbours(x, LABELS, k)
        assert found.shape == (11, k)
        assert listed(found) == oracle.target_neighbours(x.tolist(), LABELS.tolist(), k)


def test_targets_of_a_class_larger_than_a_block_are_the_same(monkeypatch):
    x, codes = case(1), LABELS * 0
    whole = target_neighbours(x, codes, 3)
    monkeypatch.setattr("nearkin.estimators.targets.DISTANCES", 25)
    np.testing.assert_array_equal(target_neighbours(x, codes, 3), whole)


@pytest.mark.parametrize("block", [None, 1, 4])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(("k", "push", "rank"), [(1, 0.5, 3), (2, 0.3, 2), (3, 0.9, 1), (20, 0.5, 3)])
def test_value_and_gradient_equal_the_loops(k, push, rank, reduction, block):
    for seed, scale in ((0, 0.7), (1, 0.2), (2, 3.0)):
        x, factor = case(seed), scale * RNG(seed + 9).normal(size=(rank, 3))
        targets = target_neighbours(x, LABELS, k)
        value, gradient = lmnn_objective(factor, x, LABELS, targets, push=push, reduction=reduction, block=block)
        wanted, slopes = value_and_gradient(
            lambda L, x=x, t=targets: oracle.lmnn(L, x.tolist(), LABELS.tolist(), listed(t), push, reduction),
            {"L": factor},
        )
        assert value == pytest.approx(wanted, rel=1e-12)
        np.testing.assert_allclose(gradient, slopes["L"], 1e-10, 1e-10)


@given(seed=st.integers(0, 500), block=st.sampled_from([None, 3]))
def test_hinges_at_exactly_zero_and_duplicates_have_no_gradient(seed, block):
    """On a grid most triplets tie at the margin: strictly above counts, and nothing else."""
    x, factor = case(seed, grid=True), np.array([[1.0, 0, 0], [0, 1, 0]])
    targets = target_neighbours(x, LABELS, 2)
    value, gradient = lmnn_objective(factor, x, LABELS, targets, block=block)
    wanted, slopes = value_and_gradient(
        lambda L: oracle.lmnn(L, x.tolist(), LABELS.tolist(), listed(targets)), {"L": factor}
    )
    assert value == pytest.approx(wanted, rel=1e-13)
    np.testing.assert_allclose(gradient, slopes["L"], 1e-12, 1e-12)


def test_the_objective_holds_blocks_of_distances_and_never_all_triplets():
    rng = RNG(0)
    x, codes = rng.normal(size=(4000, 4)), np.arange(4000) % 40
    targets = target_neighbours(x, codes, 3)
    tracemalloc.start()
    lmnn_objective(np.eye(4), x, codes, targets)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6 < 4000 * 4000 * 8  # not even all distances


# The estimator


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([LMNN(max_iter=20), LMNN(n_neighbors=1, rank=1, init="random", random_state=0, max_iter=20)])
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


def test_it_says_that_it_needs_labels():
    assert LMNN().__sklearn_tags__().target_tags.required


def digits(seed: int, size: int) -> tuple[np.ndarray, ...]:
    x, y = load_digits(return_X_y=True)
    order = RNG(seed).permutation(len(x))
    train, test = order[:size], order[size:]
    return x[train], y[train], x[test], y[test]


def neighbours_score(x: np.ndarray, y: np.ndarray, test: np.ndarray, wanted: np.ndarray, before: object) -> float:
    return make_pipeline(before, KNeighborsClassifier(3)).fit(x, y).score(test, wanted)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_neighbours_of_digits_get_better():
    """Against the features that it starts from: standardised ones, and as many principal axes."""
    for seed in range(2):
        data = digits(seed, 400)
        assert neighbours_score(*data, LMNN()) > neighbours_score(*data, StandardScaler()) + 0.005
        few = neighbours_score(*data, LMNN(rank=5, standardize=False))
        assert few > neighbours_score(*data, PCA(5, random_state=0)) + 0.03


def test_the_objective_falls_and_what_is_said_of_it_is_true():
    x, y, *_ = digits(0, 300)
    fitted = LMNN(rank=5, n_neighbors=2, push=0.4).fit(x, y)
    rows = StandardScaler().fit_transform(x)
    targets = target_neighbours(rows, y, 2)
    deviation = np.where(x.std(0) > 0, x.std(0), 1)
    value, gradient = lmnn_objective(fitted.components_ * deviation, rows, y, targets, push=0.4)
    assert fitted.objective_ == pytest.approx(value, rel=1e-9)
    axes = PCA(5, random_state=0).fit(rows).components_
    start, slope = lmnn_objective(axes, rows, y, targets, push=0.4)
    assert value < 0.2 * start
    assert np.abs(gradient).max() < 0.02 * np.abs(slope).max()
    assert 1 < fitted.n_iter_ <= 200


def test_a_tight_tolerance_at_full_rank_finds_the_one_minimum_from_anywhere():
    x, y, *_ = digits(1, 120)
    x = PCA(6, random_state=0).fit_transform(x)
    options = {"tol": 1e-9, "max_iter": 3000}
    first = LMNN(**options).fit(x, y)
    second = LMNN(init="random", random_state=3, **options).fit(x, y)
    assert second.objective_ == pytest.approx(first.objective_, rel=1e-3)
    one, other = (f.components_.T @ f.components_ for f in (first, second))
    assert np.abs(one - other).max() < 0.05 * np.abs(one).max()


@pytest.mark.filterwarnings("ignore:.*equal distances at the cut")  # of raw pixels, whole numbers all
def test_its_distance_is_that_of_what_it_transforms():
    x, y, test, wanted = digits(2, 200)
    fitted = LMNN(rank=8).fit(x, y)
    distance = fitted.distance()
    rows = torch.tensor(fitted.transform(test[:50]))
    torch.testing.assert_close(
        distance(torch.tensor(test[:50])),
        torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist"),
        rtol=1e-9,
        atol=1e-9,
    )
    assert not distance.weight.requires_grad
    options = {"knn": (1,), "clustering": False, "seed": 0}
    judged = evaluate(test, wanted, distance=distance, **options)
    plain = evaluate(fitted.transform(test), wanted, **options)
    assert judged.scores == pytest.approx(plain.scores)
    assert judged.scores["map@r"] > evaluate(test, wanted, **options).scores["map@r"]


def test_the_units_of_features_do_not_matter_when_they_are_standardised():
    x, y, test, _ = digits(0, 150)
    units = 10.0 ** RNG(0).uniform(-3, 3, x.shape[1])
    plain, scaled = (LMNN(rank=4, max_iter=15, tol=1e-12) for _ in range(2))
    for fitted, features in ((plain, x), (scaled, x * units + 7 * units)):
        with pytest.warns(ConvergenceWarning):
            fitted.fit(features, y)
    np.testing.assert_allclose(scaled.transform(test * units), plain.transform(test), rtol=1e-4, atol=1e-4)


def test_a_constant_feature_and_classes_of_any_name_do_no_harm():
    x, y, *_ = digits(0, 150)
    x = np.concatenate([x, np.full((len(x), 1), 1e6)], 1)
    names = np.array([f"class {name}" for name in y])
    fitted = LMNN(rank=4).fit(x, names)
    assert np.isfinite(fitted.components_).all()
    assert fitted.classes_.tolist() == [f"class {digit}" for digit in range(10)]
    assert LMNN(rank=4).fit_transform(x.astype(np.float32), names).dtype == np.float32


def test_a_seed_gives_the_same_bits_and_global_random_state_stays():
    x, y, *_ = digits(0, 150)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (LMNN(rank=3, init="random", random_state=seed).fit(x, y) for seed in (1, 1, 2))
    assert np.array_equal(first.components_, again.components_)
    assert not np.array_equal(first.components_, other.components_)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert np.array_equal(pickle.loads(pickle.dumps(first)).transform(x), first.transform(x))
    assert clone(first).get_params() == first.get_params()
    assert list(first.get_feature_names_out()) == ["lmnn0", "lmnn1", "lmnn2"]


def test_a_class_of_one_is_an_impostor_and_needs_no_target():
    x = np.array([[0.0, 0.0], [0.0, 2.0], [0.1, 1.0], [5.0, 0.0], [5.0, 2.0]])
    y = [0, 0, 1, 2, 2]
    fitted = LMNN(n_neighbors=3, standardize=False, tol=1e-9).fit(x, y)
    d = np.linalg.norm(fitted.transform(x)[0] - fitted.transform(x), axis=1)
    assert np.linalg.norm(x[0] - x[1]) > np.linalg.norm(x[0] - x[2])  # the impostor stood between them
    assert d[1] < d[2]


def test_what_cannot_be_learned_is_refused_in_words():
    x, y = case(0), LABELS
    refused = [
        (LMNN(), x, np.zeros(11, int), "two classes or more, got one class"),
        (LMNN(), x, np.arange(11), "every class has one member only"),
        (LMNN(rank=4), x, y, "rank 4 is more than the 3 features; give at most rank=3"),
        (LMNN(n_neighbors=0), x, y, "n_neighbors must be a whole number of at least 1"),
        (LMNN(push=0.0), x, y, "push must be a finite number above 0"),
        (LMNN(push=1.0), x, y, "push must be below 1"),
        (LMNN(init="lda"), x, y, "init must be one of 'pca', 'random'"),
        (LMNN(standardize=1), x, y, "standardize must be true or false"),
        (LMNN(max_iter=0), x, y, "max_iter must be"),
        (LMNN(tol=0), x, y, "tol must be"),
    ]
    for estimator, features, labels, words in refused:
        with pytest.raises(InputError, match=words):
            estimator.fit(features, labels)
    with pytest.raises(NotFittedError):
        LMNN().distance()


def test_a_search_that_ends_early_says_so():
    x, y, *_ = digits(0, 150)
    with pytest.warns(ConvergenceWarning, match="stopped after 2 iterations .*raise max_iter or tol"):
        LMNN(max_iter=2).fit(x, y)
