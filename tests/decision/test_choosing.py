"""k by folds and by leaving out equals the loops; rows that are left out meet as many of their class as of rivals."""

from __future__ import annotations

import numpy as np
import pytest

from nearkin.core import InputError
from nearkin.decision import Space, choose_k, class_means, left_out, left_out_prototypes
from nearkin.decision.leaving_out import parts_of
from oracles import knn as oracle

LABELS = np.array([4, 4, 7, 7, 7, 9, 4, 12, 9, 7, 4])  # 12 is the only one of its class


def case(seed: int, grid: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 3, (11, 2)).astype(float) if grid else rng.normal(size=(11, 3)).astype(np.float32)


def right(rows: np.ndarray, query: int, allowed: list[int], k: int, weights: str) -> bool:
    d = Space().distances(rows[[query]], rows)[0]
    near = oracle.nearest(d.tolist(), allowed, k)
    classes = sorted(set(LABELS.tolist()))
    shares = oracle.shares([(d[j], int(LABELS[j])) for j in near], classes, weights)
    return oracle.right([round(share, 9) for share in shares], classes, int(LABELS[query]), 1)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_leave_one_out_equals_the_loops(seed, grid, weights):
    rows = case(seed, grid)
    found = choose_k(Space(), rows, LABELS, grid=(5, 1, 3), weights=weights, folds=None)
    asked = [i for i in range(11) if LABELS[i] != 12]
    wanted = {
        k: np.mean([right(rows, i, [j for j in range(11) if j != i], k, weights) for i in asked]) for k in (1, 3, 5)
    }
    assert found.accuracy == pytest.approx(wanted)
    assert found.k == min(k for k in wanted if wanted[k] == max(wanted.values()))
    assert found.asked == 10
    assert found.as_section()["accuracy"].keys() == {"1", "3", "5"}


def test_folds_are_stratified_seeded_and_no_fold_sees_itself():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(20, 5))
    labels = np.repeat(np.arange(20), 7)
    rows = centres[labels] + 0.6 * rng.normal(size=(140, 5))
    first, again, other = (choose_k(Space(), rows, labels, seed=seed) for seed in (0, 0, 1))
    assert first == again and first.accuracy != other.accuracy
    twins = choose_k(Space(), np.repeat(np.arange(10.0)[:, None], 2, 0), np.arange(20) // 2, grid=(1,), folds=2)
    assert twins.accuracy == {1: 1.0}  # of two images each fold has one
    strangers = choose_k(Space(), np.arange(10.0)[:, None] ** 2, np.arange(10) // 5 * 0, grid=(1,), folds=2)
    assert strangers.accuracy == {1: 1.0}


def test_among_equals_the_smallest_k_is_taken():
    rows = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2]])
    assert choose_k(Space(), rows, [0, 0, 0, 1, 1, 1], grid=(2, 1), folds=None).k == 1


def test_what_cannot_be_chosen_is_said():
    with pytest.raises(InputError, match="no class has two rows"):
        choose_k(Space(), np.eye(3), [0, 1, 2])
    with pytest.raises(InputError, match="grid of k is empty"):
        choose_k(Space(), np.eye(4), [0, 0, 1, 1], grid=())
    with pytest.raises(InputError, match="folds"):
        choose_k(Space(), np.eye(4), [0, 0, 1, 1], folds=1)


# Rows that ask as if they were new


def test_parts_number_the_rows_of_a_class():
    assert parts_of(LABELS, 3).tolist() == [0, 1, 0, 1, 2, 0, 2, -1, 1, 0, 0]
    assert parts_of(LABELS).tolist() == [0, 1, 0, 1, 2, 0, 2, -1, 1, 3, 3]


@pytest.mark.parametrize("seed", range(3))
def test_a_row_that_asks_sees_all_but_its_part(seed):
    rows, parts = case(seed), parts_of(LABELS)
    found = left_out(Space(), rows, LABELS, 20)
    assert found.asked.tolist() == [i for i in range(11) if LABELS[i] != 12]
    d = Space().distances(rows, rows)
    for row, place in enumerate(found.asked):
        seen = [j for j in range(11) if parts[j] != parts[place]]
        order = oracle.nearest(d[place].tolist(), seen, 20)
        assert found.voters[row].tolist() == LABELS[order].tolist() + [-1] * (20 - len(order))
        np.testing.assert_array_equal(found.distances[row, : len(order)], d[place, order])
        assert 12 in LABELS[order]  # a lone image is never hidden
    sizes = {4: 4, 7: 4, 9: 2}
    assert found.kept == pytest.approx(np.mean([1 - 1 / sizes[c] for c in LABELS[found.asked]]))


def test_prototypes_are_made_without_the_part_that_asks():
    rows, parts = case(5), parts_of(LABELS)
    found = left_out_prototypes(Space(), rows, LABELS, 4)
    for row, place in enumerate(found.asked):
        seen = np.flatnonzero(parts != parts[place])
        classes, codes = np.unique(LABELS[seen], return_inverse=True)
        d = Space().distances(rows[[place]], class_means(Space(), rows[seen], codes, 4).astype(np.float32))[0]
        order = np.argsort(d, kind="stable")
        np.testing.assert_array_equal(found.voters[row], classes[order])
        np.testing.assert_allclose(found.distances[row], d[order], rtol=1e-6)


def test_large_classes_leave_out_a_tenth_and_not_more_ask_than_wanted():
    labels = np.arange(400) % 4
    rows = np.random.default_rng(0).normal(size=(400, 3))
    found = left_out(Space(), rows, labels, 3, most=50)
    assert len(found.asked) == 50 and found.kept == pytest.approx(0.9)
    assert np.bincount(labels[found.asked], minlength=4).min() >= 10


def test_only_those_ask_who_may():
    may = np.zeros(11, dtype=bool)
    may[[0, 7, 8]] = True
    assert left_out(Space(), case(0), LABELS, 2, may_ask=may).asked.tolist() == [0, 8]
    with pytest.raises(InputError, match="may_ask"):
        left_out(Space(), case(0), LABELS, 2, may_ask=[1, 0])
