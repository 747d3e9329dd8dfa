"""kNN votes equal the scalar loops: both weights, top 1 and top 5, a support set or leave-one-out."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.cases import CASES, DISTANCES, distances, random_case, tied_case
from nearkin.core import InputError
from nearkin.decision.votes import predicted, ranking, right_within, voted_for
from nearkin.evaluation import class_scores, evaluate
from oracles import knn as oracle

KS = (1, 2, 5, 7)


def quietly(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return evaluate(*arguments, clustering=False, at=(1,), **{"knn": KS, **options})


def check(found, d, allowed, labels, truth, weights=("uniform", "distance")):
    classes = sorted(set(labels))
    for k in KS:
        for kind in weights:
            name = f"knn@{k}" + ("-weighted" if kind == "distance" else "")
            for top, suffix in ((1, ""), (5, "-top5")):
                right = []
                for i, row in enumerate(d):
                    near = oracle.nearest(row, allowed(i), k)
                    shares = oracle.shares([(row[j], labels[j]) for j in near], classes, kind)
                    shares = [round(share, 9) for share in shares]  # votes that tie on paper
                    right.append(oracle.right(shares, classes, truth[i], top))
                    if kind == "uniform" and top == 1:
                        assert found.queries[f"predicted@{k}"][i] == oracle.ranking(shares, classes)[0]
                assert found.queries[name + suffix].tolist() == right, (name, suffix)
                assert found.scores[name + suffix] == pytest.approx(sum(right) / len(right), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("name", DISTANCES)
def test_leave_one_out_equals_the_scalar_loops(name, kind, seed):
    case = CASES[kind](seed)
    d = distances(name, case.x)
    found = quietly(case.x, case.y, distance=name)
    weights = ("uniform",) if name == "inner-product" else ("uniform", "distance")
    labels = case.y.tolist()
    check(found, d, lambda i: [j for j in range(len(d)) if j != i], labels, labels, weights)


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("name", ["euclidean", "snr"])
def test_votes_of_a_support_equal_the_scalar_loops(name, kind):
    queries, support = CASES[kind](21), CASES[kind](22)
    x = np.vstack([support.x, queries.x[:4]])  # four queries lie on top of a voter
    y = np.concatenate([support.y * 3, [0, 3, 6, 9]])  # and some classes have no voter
    found = quietly(queries.x, queries.y, distance=name, support=x, support_labels=y)
    d = distances(name, queries.x, x)
    check(found, d, lambda i: list(range(len(x))), y.tolist(), queries.y.tolist())
    assert (found.queries["neighbours"] < len(queries.x)).all()  # retrieval stays among the queries


def test_the_own_group_does_not_vote_and_fewer_than_k_may_be_left():
    case = tied_case(31)
    groups = np.arange(18) % 3
    groups[:13] = 0
    d = distances("euclidean", case.x)
    labels = case.y.tolist()
    found = quietly(case.x, case.y, groups=groups)
    check(found, d, lambda i: [j for j in range(18) if groups[j] != groups[i]], labels, labels)


def test_references_vote_where_they_answer():
    queries, gallery = random_case(32), random_case(33)
    d = distances("snr", queries.x, gallery.x)
    found = quietly(queries.x, queries.y, distance="snr", references=gallery.x, reference_labels=gallery.y)
    check(found, d, lambda i: list(range(18)), gallery.y.tolist(), queries.y.tolist())


def test_ten_voters_score_as_worked_out_by_hand():
    d = np.array([[1.0, 2.0, 2.0, 4.0], [0.0, 0.0, 1.0, 3.0]])
    voters = np.array([[2, 0, 0, 1], [1, 0, 0, 0]])
    assert class_scores(d, voters, 3).tolist() == [[0.5, 0.25, 0.25], [0.75, 0.25, 0]]
    weighted = class_scores(d, voters, 3, weights="distance")
    np.testing.assert_allclose(weighted, [[1 / 2.25, 0.25 / 2.25, 1 / 2.25], [0.5, 0.5, 0]])
    assert predicted(weighted).tolist() == [0, 0]
    assert ranking(weighted).tolist() == [[0, 2, 1], [0, 1, 2]]
    assert right_within(weighted, np.array([2, 2]), 2).tolist() == [True, False]
    assert right_within(weighted, np.array([2, 2]), 3).tolist() == [True, False]  # no vote, no place
    assert right_within(weighted, np.array([-1, 1]), 5).tolist() == [False, True]


def test_votes_that_tie_on_paper_go_to_the_smallest_class():
    """Ten votes of 1/10 add up to 0.9999999999999999 of one vote of 1."""
    d, voters = np.array([[1.0, *[10.0] * 10]]), np.array([[1, *[0] * 10]])
    scores = class_scores(d, voters, 2, weights="distance")
    assert scores[0, 0] != scores[0, 1]
    assert predicted(scores).tolist() == [0]
    assert ranking(scores).tolist() == [[0, 1]]
    assert right_within(scores, np.array([0]), 1).tolist() == [True]
    assert right_within(scores, np.array([1]), 1).tolist() == [False]


def test_leave_one_out_is_not_the_training_accuracy():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 2)), rng.integers(0, 4, size=40)
    assert quietly(x, y).scores["knn@5-weighted"] < 0.7
    assert quietly(x, y, support=x, support_labels=y).scores["knn@5-weighted"] == 1.0


def test_the_smallest_distances_still_have_a_weight():
    scores = class_scores(np.array([[5e-324, 1e-310, 1.0]]), np.array([[1, 0, 0]]), 2, weights="distance")
    assert np.isfinite(scores).all()
    assert scores[0, 1] > 0.9


def test_k_above_the_references_is_clipped_and_said():
    case = random_case(2)
    with pytest.warns(UserWarning, match="k = 40 of kNN is more than the 17 references"):
        found = evaluate(case.x, case.y, knn=(17, 40), clustering=False)
    assert found.scores["knn@40"] == found.scores["knn@17"]
    assert "knn@40 uses the 17 references that there are" in found.notes
    with pytest.warns(UserWarning, match="k = 4 of kNN is more than the 3 references"):
        evaluate(case.x, case.y, support=case.x[:3], support_labels=case.y[:3], knn=(3, 4), clustering=False)


def test_distances_below_zero_have_no_weights():
    case = random_case(2)
    found = quietly(case.x, case.y, distance="inner-product")
    assert not any("weighted" in name for name in (*found.scores, *found.queries))
    assert "distance-weighted kNN is left out: this distance goes below 0" in found.notes
    with pytest.raises(InputError, match="weights='uniform'"):
        class_scores(np.array([[-1.0]]), np.array([[0]]), 2, weights="distance")


def test_macro_is_the_mean_of_class_accuracies_and_lone_queries_count():
    case = random_case(4)
    found = quietly(case.x, case.y, macro=True)
    right = found.queries["knn@5"]
    assert found.scores["knn@5"] == pytest.approx(np.mean([right[case.y == c].mean() for c in range(6)]))
    assert (right[case.y >= 4] == 0).all()


@given(seed=st.integers(0, 500), kind=st.sampled_from(["uniform", "distance"]))
def test_shares_sum_to_one_and_the_winner_leads_the_ranking(seed, kind):
    rng = np.random.default_rng(seed)
    d, voters = np.sort(rng.integers(0, 4, size=(6, 5)).astype(float), axis=1), rng.integers(-1, 4, size=(6, 5))
    voters[:, 0] = 2
    scores = class_scores(d, voters, 4, weights=kind)
    np.testing.assert_allclose(scores.sum(1), 1)
    assert (ranking(scores)[:, 0] == predicted(scores)).all()
    order = ranking(scores)
    for top in (1, 2, 4):
        truth = rng.integers(0, 4, size=6)
        listed = [truth[i] in order[i, :top] and scores[i, truth[i]] > 0 for i in range(6)]
        assert right_within(scores, truth, top).tolist() == listed


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_voters_one_by_one_answer_as_all_classes_do(k, weights):
    rng = np.random.default_rng(k)
    distances = np.sort(rng.integers(0, 6, size=(500, k)) / 3, axis=1)
    voters = np.where(rng.random((500, k)) < 0.1, -1, rng.integers(0, 7, size=(500, k)))
    truth = rng.integers(-1, 8, size=500).clip(max=6)
    scores = class_scores(distances, voters, 7, weights=weights)
    first, two, winner = voted_for(distances, voters, truth, weights=weights, top=2)
    np.testing.assert_array_equal(winner, predicted(scores))
    np.testing.assert_array_equal(first, right_within(scores, truth, 1))
    np.testing.assert_array_equal(two, right_within(scores, truth, 2))
