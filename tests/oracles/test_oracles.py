"""The oracles are right where it can be seen without the library: conventions at 0, and slopes by another method."""

from __future__ import annotations

import math

import numpy as np
import pytest

from oracles import arithmetic, contrastive, distances, lifted, mining, n_pair, triplet, tuples
from oracles.gradient import central_differences, value_and_gradient
from oracles.kin import by_ids, by_position, first_two, kin, nobody, same_label, shared_label

LABELS = [0, 1, 0, 2, 1, 0, 3]
KIN = kin(same_label(LABELS), by_position, 7, 7)
X = np.random.default_rng(0).normal(size=(7, 3))
PAIRS = {"anchors": X[:3], "positives": X[3:6]}

OVER_A_BATCH = {
    "contrastive": lambda d: contrastive.contrastive(d, KIN, margin=2.0),
    "contrastive, linear": lambda d: contrastive.contrastive(d, KIN, "CON-4", 2.0, 0.3, "pos_neg_nonzero"),
    "triplet": lambda d: triplet.over_triplets(d, mining.all_valid(KIN), triplet.linear_hinge(0.5)),
    "triplet, squared": lambda d: triplet.over_triplets(d, mining.all_valid(KIN), triplet.squared_hinge(0.5)),
    "triplet, soft": lambda d: triplet.over_triplets(d, mining.batch_hard(d, KIN), triplet.soft_margin),
    "semi-hard": lambda d: triplet.over_triplets(d, mining.semi_hard(d, KIN), triplet.linear_hinge(0.5)),
    "triplet network": lambda d: triplet.over_triplets(d, mining.all_valid(KIN), triplet.ratio()),
    "n-pair": lambda d: n_pair.over_positive_pairs(d, KIN),
    "combined": lambda d: tuples.combined_over_pairs(d, KIN, log=True),
    "lifted": lambda d: lifted.lifted(d, KIN),
}
OVER_PAIRS = {
    "n-pair": lambda anchors, positives: n_pair.n_pair(anchors, positives) + n_pair.l2(anchors, positives, 0.1),
    "tuple": lambda anchors, positives: tuples.tuple_triplet(anchors, positives, triplet.ratio_as_defined(False)),
    "combined": lambda anchors, positives: tuples.combined_negatives(anchors, positives, "CMB-1"),
    "printed": lambda anchors, positives: n_pair.printed_001_eq_7(anchors, positives, "B", 0.1),
}


@pytest.mark.parametrize("distance", sorted(distances.PAIR))
@pytest.mark.parametrize("name", OVER_A_BATCH)
def test_complex_steps_give_the_slopes_of_central_differences(name, distance):
    def oracle(x):
        return OVER_A_BATCH[name](distances.self_matrix(distance, x))

    _, exact = value_and_gradient(oracle, {"x": X})
    rough = central_differences(oracle, {"x": X})["x"]
    np.testing.assert_allclose(exact["x"], rough, 1e-5, 1e-7 * max(1.0, np.abs(rough).max()))


@pytest.mark.parametrize("name", OVER_PAIRS)
def test_complex_steps_give_the_slopes_of_central_differences_on_pairs(name):
    _, exact = value_and_gradient(OVER_PAIRS[name], PAIRS)
    for key, rough in central_differences(OVER_PAIRS[name], PAIRS).items():
        np.testing.assert_allclose(exact[key], rough, 1e-5, 1e-7)


def test_the_two_readings_of_hoffer_and_ailon_are_one():
    pairs = [tuple(sorted(np.random.default_rng(seed).normal(size=2))) for seed in range(9)]
    for near, far in pairs:
        assert abs(triplet.ratio()(near, far) - triplet.ratio_as_defined(False)(near, far)) < 1e-15
        assert abs(triplet.ratio(1.0)(near, far) - triplet.ratio_as_defined(True)(near, far)) < 1e-15


def test_paired_rows_are_a_batch_of_positive_pairs():
    relation = kin(lambda i, j: i == j, nobody, 3, 3)
    anchors, positives = PAIRS["anchors"].tolist(), PAIRS["positives"].tolist()
    d = distances.matrix("euclidean", anchors, positives)
    assert abs(n_pair.over_positive_pairs(d, relation) - n_pair.n_pair(anchors, positives, "euclidean")) < 1e-14
    for form, log in (("CMB-1", False), ("CMB-2", False), ("CMB-2", True)):
        one = tuples.combined_over_pairs(d, relation, form, log)
        assert abs(one - tuples.combined_negatives(anchors, positives, form, log)) < 1e-14
    columns = [positives] * 3
    assert (
        abs(n_pair.l2_over_positive_pairs(anchors, columns, relation, 0.1) - n_pair.l2(anchors, positives, 0.1)) < 1e-14
    )


def test_conventions_at_zero():
    step = 1e-30j
    assert arithmetic.hinge(0.0 + step) == 0.0
    assert arithmetic.root(0.0 + step) == 0.0
    assert arithmetic.root(9.0 + step).imag == pytest.approx(1e-30 / 6)
    assert arithmetic.square(step) == 0
    assert distances.euclidean([1.0 + step, 2.0], [1.0, 2.0]) == 0
    assert arithmetic.softplus(800.0) == 800.0
    assert abs(arithmetic.sigmoid(-800.0)) == 0
    assert arithmetic.log_sum_exp([1000.0, 1000.0]).real == pytest.approx(1000 + math.log(2))
    assert arithmetic.lowest([(2.0, 5), (1.0, 7), (1.0, 3)]) == 3
    assert arithmetic.highest([(2.0, 5), (2.0, 4), (1.0, 3)]) == 4


def test_reductions_weigh_terms_and_their_number():
    terms = [(2.0, 1.0), (0.0, 3.0), (1.0, 2.0)]
    assert arithmetic.reduced(terms, "sum") == 4
    assert arithmetic.reduced(terms) == pytest.approx(4 / 6)
    assert arithmetic.reduced(terms, "mean_nonzero") == pytest.approx(4 / 3)
    assert arithmetic.reduced([]) == arithmetic.reduced([(0.0, 1.0)], "mean_nonzero") == 0


def test_kin_by_labels_by_shared_labels_by_ids_and_by_twos():
    assert KIN.positives == [[2, 5], [4], [0, 5], [], [1], [0, 2], []]
    assert KIN.negatives[4] == [0, 2, 3, 5, 6]
    multi = kin(shared_label([[1, 0], [1, 1], [0, 0]]), by_position, 3, 3)
    assert multi.positives == [[1], [0], []]
    assert multi.negatives == [[2], [2], [0, 1]]
    known = kin(same_label([0, 0], [0, 0, 1]), by_ids([7, 8], [8, 9, 7]), 2, 3)
    assert known.positives == [[0, 1], [1]]
    assert known.negatives == [[], [2]]
    pairs = first_two(LABELS)
    assert pairs.positives == [[2], [4], [], [], [], [], []]
    assert pairs.negatives == [[4], [2], [], [], [], [], []]
    own = KIN.with_own(7, [[True, False]] * 7, [[False, True]] * 7)
    assert own.positives[3] == [7]
    assert own.negatives[1] == [0, 2, 3, 5, 6, 8]
    graded = kin(lambda i, j: 0.5 * (j - i), by_position, 1, 3, lambda i, j: j > 5)
    assert graded.weight(0, 2) == 1.0
    assert graded.weight(0, 1) == 0.5
    assert graded.negatives == [[]]
