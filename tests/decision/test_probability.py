"""Probabilities equal the formula, sum to one, agree with the vote, and hold on images that were not enrolled."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.datasets import load_digits

from nearkin.core import InputError
from nearkin.decision import Probability, Space, calibrate_answers, fit_probability, nearest, reliability
from nearkin.decision.evidence import evidence_of
from nearkin.decision.slopes import EXPECTED, SPREAD
from nearkin.decision.votes import voted_for
from oracles import probability as oracle

GIVEN = Probability(ratio=6.0, difference=2.0, votes=0.7, unseen=0.4, scale=1.5, k=3, fitted=30)


def searches(seed: int, size: int = 7, depth: int = 6, classes: int = 9, ties: bool = False):
    """Distances, nearest first, and voters; some neighbours are missing."""
    rng = np.random.default_rng(seed)
    distances = np.sort(rng.integers(0, 4, (size, depth)) / 2 if ties else rng.gamma(2.0, size=(size, depth)), axis=1)
    voters = rng.integers(0, classes, (size, depth))
    for row in range(0, size, 3):
        voters[row, rng.integers(1, depth + 1) :] = -1
    return np.where(voters >= 0, distances, np.inf), voters


def winners(distances, voters, k, weights="distance"):
    return voted_for(distances[:, :k], voters[:, :k], np.full(len(voters), -1), weights=weights)[2]


@given(
    seed=st.integers(0, 300), k=st.integers(1, 6), weights=st.sampled_from(["distance", "uniform"]), ties=st.booleans()
)
def test_probabilities_equal_the_formula_and_the_answer_is_the_vote(seed, k, weights, ties):
    distances, voters = searches(seed, ties=ties)
    model = replace(GIVEN, k=k, weights=weights)
    found = model.of(distances, voters, 9)
    winner = winners(distances, voters, k, weights)
    slopes = {name: getattr(model, name) for name in ("ratio", "difference", "votes", "unseen")}
    for row in range(len(found)):
        near = [(float(d), int(c)) for d, c in zip(distances[row], voters[row], strict=True) if c >= 0]
        wanted = oracle.probabilities(near, 9, slopes, model.scale, int(winner[row]), model.fitted)
        np.testing.assert_allclose(found[row], wanted, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-12)
    np.testing.assert_array_equal(found.argmax(1), winner)
    codes, top = model.top(distances, voters, 9)
    np.testing.assert_array_equal(codes, winner)
    np.testing.assert_array_equal(top, found.max(1))
    seen, rest = model.seen(distances, voters, 9)
    np.testing.assert_allclose(seen.sum(1) + rest, 1, rtol=1e-12)


def test_distances_below_zero_count_by_their_differences_alone():
    distances, voters = np.array([[-3.0, -2.5, 1.0]]), np.array([[0, 1, 2]])
    model = replace(GIVEN, k=1, weights="uniform", scale=1.0)
    weights = np.exp([6.0, 5.0, -2.0])
    np.testing.assert_allclose(model.of(distances, voters, 3)[0], 0.98 * weights / weights.sum() + 0.02 / 3, rtol=1e-8)


def test_a_search_that_found_nothing_knows_nothing():
    found = GIVEN.of([[np.inf, np.inf]], [[-1, -1]], 4)
    np.testing.assert_allclose(found, 0.25, rtol=1e-8)


def test_duplicates_under_two_labels_share_and_under_one_win():
    both = GIVEN.of([[0.0, 0.0, 2.0]], [[1, 0, 2]], 3)[0]
    assert both[0] == pytest.approx(both[1]) and both[0] > 0.49
    assert GIVEN.of([[0.0, 1.0, 2.0]], [[1, 0, 2]], 3)[0, 1] > 0.98


def test_who_is_likelier_than_the_answer_is_lowered_to_it_and_not_the_answer_raised():
    """Two votes of class 1 outweigh the nearer one of class 0."""
    model = replace(GIVEN, k=3, votes=0.0)
    nearer, answered, third = model.of([[1.0, 1.2, 1.2, 1.9]], [[0, 1, 1, 2]], 3)[0]
    assert answered == pytest.approx(nearer) and answered > nearer
    free = replace(model, k=1).of([[1.0, 1.2, 1.2, 1.9]], [[0, 1, 1, 2]], 3)[0]
    third, answered, before = (each - 0.02 / 3 for each in (third, answered, free))  # without the doubt
    assert third / answered == pytest.approx(before[2] / before[1])


def test_few_searches_do_not_support_certainty():
    search = ([[1.0, 50.0]], [[0, 1]], 2)
    for fitted in (0, 4, 80, 2000):
        assert replace(GIVEN, fitted=fitted).of(*search)[0, 1] == pytest.approx(0.5 / (fitted + 20), rel=1e-6)


# Fitting


@pytest.mark.parametrize("seed", range(4))
def test_the_slopes_are_the_likeliest_ones(seed):
    """The same minimum as a general optimiser finds for the same sum, written out."""
    distances, voters = searches(seed, size=40)
    rng = np.random.default_rng(seed)
    truth = np.where(rng.random(40) < 0.6, voters[:, 0], rng.integers(0, 9, 40))
    model = fit_probability(distances, voters, truth, 9, k=3)
    found = evidence_of(distances, voters, 9, scale=model.scale, k=3, weights="distance")

    def cost(slopes):
        logits = found.values @ slopes
        total = np.where(found.classes >= 0, np.exp(logits[:, :-1]), 0).sum(1) + found.unseen * np.exp(logits[:, -1])
        column = [(row == c).argmax() if (row == c).any() else 6 for row, c in zip(found.classes, truth, strict=True)]
        own = logits[np.arange(40), column]
        return (np.log(total) - own).sum() + (((slopes - EXPECTED) / SPREAD) ** 2).sum() / 2

    best = minimize(cost, EXPECTED, bounds=[(0, None)] * 4, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9})
    slopes = np.array([model.ratio, model.difference, model.votes, model.unseen])
    assert cost(slopes) <= best.fun + 1e-8
    np.testing.assert_allclose(slopes, best.x, rtol=2e-3, atol=2e-3)


def test_slopes_of_a_known_law_are_found_again():
    """Searches whose truth is drawn from the formula itself."""
    rng = np.random.default_rng(3)
    distances = np.sort(rng.uniform(0.5, 1.5, (6000, 8)), axis=1)
    voters = np.argsort(rng.random((6000, 12)), axis=1)[:, :8]
    voters[:, 3] = voters[:, 0]
    law = Probability(2.0, 1.0, 1.5, 0.6, scale=float(np.median(distances[:, 0])), k=1, fitted=10**9)
    shares = law.of(distances, voters, 12)
    truth = (shares.cumsum(1) > rng.random((6000, 1))).argmax(1)
    model = fit_probability(distances, voters, truth, 12, k=1)
    assert model.unseen == pytest.approx(0.6, abs=0.15)
    assert model.votes == pytest.approx(1.5, abs=0.15)
    np.testing.assert_allclose(model.of(distances, voters, 12), shares, atol=0.04)


def test_units_do_not_matter():
    distances, voters = searches(1, size=30)
    truth = np.maximum(voters[:, 0], 0)
    one, thousand = (fit_probability(distances * unit, voters, truth, 9, k=1) for unit in (1.0, 1000.0))
    assert thousand.scale == pytest.approx(1000 * one.scale)
    np.testing.assert_allclose(one.of(distances, voters, 9), thousand.of(distances * 1000, voters, 9), rtol=1e-6)


def test_a_gallery_of_two_by_two_is_neither_certain_nor_lost():
    rows = np.array([[0.0, 0], [0.1, 0], [1.0, 0], [1.1, 0]])
    answers = calibrate_answers(Space(), rows, [0, 0, 1, 1])
    assert answers.probability.fitted == 4 and answers.chosen.k == 1
    near = nearest(Space(), [[0.05, 0], [0.55, 0], [0.5, 0]], rows, 4)
    sure, even, leaning = answers.probability.of(near.distances, np.array([0, 0, 1, 1])[near.places], 2)[:, 0]
    assert sure == pytest.approx(1 - 0.5 / 24) and even == pytest.approx(0.5, abs=1e-6) and 0.5 < leaning < sure


def test_all_rows_equal_give_equal_chances():
    answers = calibrate_answers(Space(), np.zeros((6, 3)), [0, 0, 1, 1, 2, 2])
    near = nearest(Space(), np.zeros((1, 3)), np.zeros((6, 3)), 6)
    found = answers.probability.of(near.distances, np.array([0, 0, 1, 1, 2, 2])[near.places], 3)
    np.testing.assert_allclose(found, 1 / 3, rtol=1e-6)


def test_classes_of_one_image_cannot_calibrate_and_that_is_said():
    rows = np.array([[0.0, 0], [3, 0], [0, 3]])
    model, chosen = calibrate_answers(Space(), rows, [0, 1, 2])
    assert not model.is_calibrated and model.fitted == 0 and chosen.k == 1 and chosen.accuracy == {}
    assert model.scale == 3.0
    near = nearest(Space(), [[0.1, 0]], rows, 3)
    assert 0.9 < model.of(near.distances, near.places, 3)[0, 0] < 0.97
    alone = calibrate_answers(Space(), rows[:1], [0])
    assert alone.probability.of([[5.0]], [[0]], 1).tolist() == [[1.0]]
    mixed = calibrate_answers(Space(), np.vstack([rows, rows[:1] + 0.1]), [0, 1, 2, 0])
    assert mixed.probability.fitted == 2


def test_rows_the_embedding_was_trained_on_do_not_ask():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(20), 4)
    spread = np.where(np.arange(80) % 4 < 2, 0.05, 0.9)[:, None]
    rows = rng.normal(size=(20, 8))[labels] + spread * rng.normal(size=(80, 8))
    new = rows.reshape(20, 4, 8)[:, :2].mean(1)[labels] + 0.9 * rng.normal(size=(80, 8))
    near = nearest(Space(), new, rows, 50)
    everybody, fresh = (
        calibrate_answers(Space(), rows, labels, k=1, may_ask=may).probability
        for may in (np.ones(80, dtype=bool), np.arange(80) % 4 >= 2)
    )
    assert fresh.fitted == 40 and everybody.fitted == 80
    said, honest = (model.top(near.distances, labels[near.places], 20)[1].mean() for model in (everybody, fresh))
    right = (labels[near.places[:, 0]] == labels).mean()
    assert abs(honest - right) < abs(said - right)


def test_a_probability_survives_json():
    assert Probability.from_section(json.loads(json.dumps(GIVEN.as_section()))) == GIVEN


@pytest.mark.parametrize(
    ("distances", "voters", "words"),
    [
        ([[1.0]], [[3]], "codes from 0 to 2"),
        ([[1.0, 2.0]], [[0]], "one shape"),
        ([[np.nan]], [[0]], "finite"),
        ([[-1.0]], [[0]], "weights='uniform'"),
    ],
)
def test_what_is_no_search_is_refused(distances, voters, words):
    with pytest.raises(InputError, match=words):
        GIVEN.of(distances, voters, 3)


# On real images


@pytest.mark.parametrize("method", ["neighbours", "prototypes"])
@pytest.mark.parametrize("images", [5, 30])
def test_probabilities_of_real_digits_hold_on_images_that_were_not_enrolled(images, method):
    """Three draws of 500 images: even perfect probabilities would show an error of 0.02."""
    pixels, labels = load_digits(return_X_y=True)
    said, came = [], []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(labels))
        enrolled = np.concatenate([order[labels[order] == c][:images] for c in range(10)])
        asked = np.setdiff1d(order, enrolled)
        asked = np.random.default_rng(seed).permutation(asked)[:500]
        space, codes = Space(), np.repeat(np.arange(10), images)
        model = calibrate_answers(space, pixels[enrolled], codes, method=method).probability
        rows, names = pixels[enrolled], codes
        if method == "prototypes":
            rows, names = np.stack([rows[codes == c].mean(0) for c in range(10)]), np.arange(10)
        near = nearest(space, pixels[asked], rows, min(50, len(rows)))
        winner, top = model.top(near.distances, names[near.places], 10)
        said, came = [*said, *top], [*came, *(winner == labels[asked])]
    found = reliability(np.array(said), np.array(came))
    assert found.calibration_error < 0.05
    assert found.auroc > 0.85
    assert found.skill > 0.15


def test_a_search_is_judged_alike_alone_and_among_others():
    distances, voters = np.array([[0.5, 1.0], [-0.5, 1.0]]), np.array([[0, 1], [1, 0]])
    model = replace(GIVEN, k=1, weights="uniform")
    both = model.of(distances, voters, 2)
    np.testing.assert_array_equal(both, np.vstack([model.of(distances[[i]], voters[[i]], 2) for i in (0, 1)]))


def test_slopes_grow_with_the_images_that_were_hidden_from_the_searches():
    distances, voters = searches(2, size=30)
    truth = np.maximum(voters[:, 0], 0)
    whole, half = (fit_probability(distances, voters, truth, 9, k=1, kept=kept) for kept in (1.0, 0.5))
    assert half.ratio == pytest.approx(whole.ratio * 2**0.3) and half.difference == pytest.approx(
        whole.difference * 2**0.3
    )
    assert (half.votes, half.unseen, half.scale) == (whole.votes, whole.unseen, whole.scale)
