"""Pairs of labelled rows: every pair once, its classes with it, ties exact, and samples that stand for all."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearkin.core import InputError
from nearkin.decision import LINKS, Space, given_pairs, pair_distances, pair_sweep, paired_distances, verification
from oracles import distances
from oracles.verification import labelled_pairs

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(23, 5)), rng.integers(0, 5, 23)


def rows_of(name: str, rows: np.ndarray) -> np.ndarray:
    """Rows as the distance projects them."""
    if name == "cosine":
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
    if name.startswith("snr"):
        return (rows - rows.mean(1, keepdims=True)) / np.sqrt(rows.shape[1])
    return rows


@pytest.mark.parametrize("both", ["mean", "max"])
@pytest.mark.parametrize("name", sorted(LINKS))
def test_every_pair_is_measured_as_the_formula_says(monkeypatch, name, both):
    monkeypatch.setattr(pair_sweep, "BLOCK", 60)
    found = pair_distances(Space(name), rows_of(name, X), Y, both=both)
    d = [[distances.real(each) for each in row] for row in distances.matrix(name, X.tolist(), X.tolist())]
    wanted = sorted(labelled_pairs(d, Y.tolist(), both))
    assert found.distances.tolist() == pytest.approx([d for d, _ in wanted], rel=2e-10, abs=1e-12)
    assert found.same.tolist() == [same for _, same in wanted]
    assert (found.positives, found.negatives) == (found.same.sum(), (~found.same).sum())
    asymmetric = not Space(name).symmetric
    assert ("both orders" in found.scoring) == asymmetric


def test_pairs_of_two_sets_are_every_row_with_every_other():
    z, labels = X[:4] + 0.1, np.array([0, 1, 9, 9])
    found = pair_distances(Space(), X, Y, z, labels)
    wanted = sorted((float(np.linalg.norm(a - b)), bool(y == w)) for a, y in zip(X, Y) for b, w in zip(z, labels))
    assert found.distances.tolist() == pytest.approx([d for d, _ in wanted])
    assert found.same.tolist() == [same for _, same in wanted]
    assert found.classes == len({*Y.tolist(), *labels.tolist()})


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=14),
    st.integers(-99, 99),
)
def test_equal_distances_are_equal_whatever_rounding_did(rows, shift):
    table = np.array(rows, dtype=float)
    x, labels = table[:, :2] + shift / 7, table[:, 2].astype(int)
    counts = pair_distances(Space("squared-euclidean"), x, labels).counts()
    exact = [
        (int((rows[i][0] - rows[j][0]) ** 2 + (rows[i][1] - rows[j][1]) ** 2), labels[i] == labels[j])
        for i, j in itertools.combinations(range(len(rows)), 2)
    ]
    values = sorted({d for d, _ in exact})
    assert counts.distances.tolist() == pytest.approx(values, rel=1e-9)
    assert counts.positives.tolist() == [sum(same and d == value for d, same in exact) for value in values]
    assert counts.negatives.tolist() == [sum(not same and d == value for d, same in exact) for value in values]


def test_near_duplicates_far_from_the_origin_keep_their_digits():
    x = np.array([[1000.0, 0.0], [1000.0 + 2**-20, 0.0], [-1000.0, 5.0]])
    assert pair_distances(Space(), x, [0, 0, 1]).distances[0] == 2**-20


def test_ready_pairs_are_measured_as_all_pairs_are():
    for name in LINKS:
        x = rows_of(name, X)
        i, j = (np.array(each) for each in zip(*itertools.combinations(range(len(x)), 2)))
        ready = np.sort(paired_distances(Space(name), x[i], x[j]))
        assert (ready == pair_distances(Space(name), x, Y).distances).mean() > 0.99  # to the last of 33 digits
        np.testing.assert_allclose(ready, pair_distances(Space(name), x, Y).distances, rtol=3e-10)


def test_classes_are_drawn_as_if_their_rows_stood_there_as_often():
    pairs = pair_distances(Space(), X, Y)
    times = np.array([2, 0, 1, 3, 1])
    counts = pairs.counts(times)
    copies = [(x, label, copy) for x, label in zip(X, Y) for copy in range(times[label])]
    wanted = {}
    for (a, y, first), (b, z, second) in itertools.combinations(copies, 2):
        if y == z and first != second:
            continue  # copies of a class make no pairs
        key = (round(float(np.linalg.norm(a - b)), 7), bool(y == z))
        wanted[key] = wanted.get(key, 0) + 1
    found = {}
    for d, positive, negative in zip(*counts):
        found |= {(round(float(d), 7), True): positive} if positive else {}
        found |= {(round(float(d), 7), False): negative} if negative else {}
    assert found == wanted


def test_pairs_given_without_classes_cannot_be_drawn():
    with pytest.raises(InputError, match="without their classes"):
        given_pairs([0.1], [0.2]).counts([1, 1])
    named = given_pairs([0.1, 0.2], [0.3], positive_classes=["a", "b"], negative_classes=[["a", "b"]])
    assert named.counts([2, 3]).positives.tolist() == [2, 3, 0]
    assert named.counts([2, 3]).negatives.tolist() == [0, 0, 6]


class TestManyPairs:
    classes, each = 120, 4
    x = np.repeat(np.random.default_rng(1).normal(size=(120, 6)), 4, 0)
    x = x + 0.6 * np.random.default_rng(2).normal(size=x.shape)
    y = np.arange(120).repeat(4)
    whole = pair_distances(Space(), x, y)
    part = pair_distances(Space(), x, y, keep=20_000)

    def test_all_positive_and_the_nearest_negative_ones_are_kept_and_the_rest_stands_for_all(self):
        assert self.whole.notes == () and (self.whole.weights == 1).all() and len(self.whole) == 480 * 479 // 2
        assert len(self.part) < 20_500 and "counted one by one" in self.part.notes[0]
        assert (self.part.positives, self.part.negatives) == (self.whole.positives, self.whole.negatives)
        assert self.part.weights[self.part.same].tolist() == [1.0] * self.whole.positives
        assert self.part.weights[~self.part.same].sum() == pytest.approx(self.whole.negatives)
        near = self.part.distances[~self.part.same & (self.part.weights == 1)]
        np.testing.assert_array_equal(near, self.whole.distances[~self.whole.same][: len(near)])
        assert len(near) > 9_000

    def test_scores_at_low_rates_are_exact_and_others_near(self):
        some, every = verification(self.part), verification(self.whole)
        assert some.tar_at_far[1e-2] == every.tar_at_far[1e-2] and some.tar_at_far[1e-3] == every.tar_at_far[1e-3]
        assert some.auc == pytest.approx(every.auc, abs=0.002)
        assert some.eer == pytest.approx(every.eer, abs=0.002)

    def test_the_sample_follows_the_seed_and_no_block(self, monkeypatch):
        again, other = (pair_distances(Space(), self.x, self.y, keep=20_000, seed=seed) for seed in (0, 1))
        np.testing.assert_array_equal(again.distances, self.part.distances)
        assert not np.array_equal(other.distances, self.part.distances)
        monkeypatch.setattr(pair_sweep, "BLOCK", 5_000)
        blocks = pair_distances(Space(), self.x, self.y, keep=20_000)
        assert verification(blocks).tar_at_far[1e-2] == verification(self.whole).tar_at_far[1e-2]

    def test_many_positive_pairs_are_sampled_too(self):
        labels = np.arange(480) % 2
        found = pair_distances(Space(), self.x, labels, keep=20_000)
        assert 19_000 < len(found) < 21_000 and "positive pairs a sample" in found.notes[1]
        assert found.weights[found.same].sum() == pytest.approx(found.positives)

    def test_a_collapsed_set_does_not_keep_everything(self):
        found = pair_distances(Space(), np.zeros((480, 2)), self.y, keep=20_000)
        assert len(found) < 20_500
        assert verification(found).auc == pytest.approx(0.5)

    def test_thinned_pairs_stand_for_all(self):
        some = self.whole.thinned(4_000)
        assert 3_500 < len(some) - self.whole.positives <= 4_000
        assert some.weights.sum() == pytest.approx(len(self.whole))
        assert verification(some).eer == pytest.approx(verification(self.whole).eer, abs=0.001)
        everything = self.whole.thinned(10**7)
        np.testing.assert_array_equal(everything.distances, self.whole.distances)


def test_a_histogram_shows_each_kind_by_its_own_number():
    edges, same, different = given_pairs([1.0, 1.0, 3.0, 4.0], [2.0, 4.0]).histogram(4, share=1)
    assert edges.tolist() == [0, 1, 2, 3, 4]
    assert same.tolist() == [0, 0.5, 0, 0.5] and different.tolist() == [0, 0, 0.5, 0.5]
    assert given_pairs([0.0], []).histogram(2)[1].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((X, Y[:-1]), "one for each"),
        ((X[:1], Y[:1]), "two"),
        ((X, [np.nan] * 23), "NaN"),
        ((np.where(X > 2, np.nan, X), Y), "NaN or infinity in"),
        ((X[0], Y), "shape"),
        ((X, Y, X), "together"),
        ((X, Y, X[:, :3], Y), "dimensions"),
        ((X, Y, X, [str(y) for y in Y]), "one kind"),
    ],
)
def test_what_cannot_be_paired_is_said(arguments, words):
    with pytest.raises(InputError, match=words):
        pair_distances(Space(), *arguments)
    with pytest.raises(InputError, match="one shape"):
        paired_distances(Space(), X, X[:3])
    with pytest.raises(InputError, match="within one class"):
        given_pairs([0.1], [0.2], positive_classes=[1], negative_classes=[[1, 1]])
