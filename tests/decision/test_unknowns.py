"""Distances of classes left out, answers by votes, and the pair rate beside a promise."""

from __future__ import annotations

import numpy as np
import pytest

from nearkin.core import InputError
from nearkin.decision import nearest
from nearkin.decision.links import Space
from nearkin.decision.unknowns import answered, left_out_distances, pair_rate
from oracles import promise as slow


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((12, 1, 5)) + 0.6 * rng.standard_normal((12, 4, 5))).reshape(48, 5).astype(np.float32)


CODES = np.repeat(np.arange(12), 4)


@pytest.mark.parametrize("name", ["euclidean", "cosine", "snr"])
@pytest.mark.parametrize("k", [1, 7])
def test_left_out_distance_is_that_of_the_answer_among_other_classes(rows, name, k):
    space = Space(name)
    found = left_out_distances(space, rows, CODES, k=k)
    table = space.distances(rows, rows)
    for place in range(0, 48, 5):
        others = np.flatnonzero(CODES != CODES[place])
        order = others[np.argsort(table[place, others], kind="stable")][:k]
        assert found[place] == pytest.approx(slow.named(table[place, order].tolist(), CODES[order].tolist())[1])


def test_answer_is_the_vote_and_its_distance_is_that_class_s_nearest():
    winner, distance = answered([[1.0, 1.1, 1.2], [np.inf] * 3], [[4, 2, 2], [-1, -1, -1]])
    assert winner.tolist() == [2, -1]
    assert distance.tolist() == [1.1, np.inf]


def test_one_class_cannot_be_left_out(rows):
    with pytest.raises(InputError, match="one class alone"):
        left_out_distances(Space(), rows, np.zeros(48, dtype=int))


@pytest.mark.parametrize("name", ["euclidean", "inner-product", "snr"])
def test_pair_rate_counts_impostor_pairs(rows, name):
    table = Space(name).distances(rows, rows)
    threshold = float(np.quantile(table, 0.1)) + 1e-9
    apart = CODES[:, None] != CODES
    found = pair_rate(Space(name), rows, rows, threshold, query_groups=CODES, reference_groups=CODES)
    assert (found.accepted, found.pairs) == ((table[apart] <= threshold).sum(), apart.sum())
    assert found.rate == found.accepted / found.pairs
    assert pair_rate(Space(name), rows[:4], rows[4:], threshold).pairs == 4 * 44


def test_pair_rate_needs_pairs_and_both_groups(rows):
    with pytest.raises(InputError, match="no impostor pairs"):
        pair_rate(Space(), rows[:4], rows[:4], 1.0, query_groups=CODES[:4], reference_groups=CODES[:4])
    with pytest.raises(InputError, match="given together"):
        pair_rate(Space(), rows, rows, 1.0, query_groups=CODES)


@pytest.mark.parametrize("name", ["euclidean", "cosine", "snr"])
def test_pair_rate_knows_a_threshold_just_below_a_distance_that_occurs(name):
    rng = np.random.default_rng(5)
    given = rng.normal(size=(60, 32))
    given = (given / np.linalg.norm(given, axis=1, keepdims=True)).astype(np.float32)
    codes = np.arange(60)
    found = nearest(Space(name), given, given, 3, query_groups=codes, reference_groups=codes).distances
    everything = np.array([Space(name).paired(given[[i]], given[[j]])[0] for i in range(60) for j in range(60) if i != j])
    for distance in found.ravel()[:90:3]:
        for threshold in (distance, np.nextafter(distance, -np.inf)):
            rate = pair_rate(Space(name), given, given, float(threshold), query_groups=codes, reference_groups=codes)
            assert rate.accepted == (everything <= threshold).sum()


def test_pair_rate_of_no_threshold_and_of_equal_rows():
    equal = np.ones((300, 4), np.float32)
    assert pair_rate(Space(), equal[:1], equal, -np.inf).accepted == 0
    assert pair_rate(Space(), equal[:1], equal, np.inf).accepted == 300
    assert pair_rate(Space(), equal, equal, 0.0).accepted == 300 * 300
    assert pair_rate(Space(), equal, equal, float(np.nextafter(0, -1))).accepted == 0
