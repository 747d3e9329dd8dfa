"""Distances of classes left out, answers by votes, and the pair rate beside a promise."""

from __future__ import annotations

import numpy as np
import pytest
from tests.oracles import promise as slow

from nearkin.core import InputError
from nearkin.decision.links import Space
from nearkin.decision.unknowns import answered, left_out_distances, pair_rate


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
