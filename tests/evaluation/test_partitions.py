"""NMI, AMI and pairwise F1 equal the loops over cells and pairs, and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearkin.core import InputError
from nearkin.evaluation import adjusted_mutual_information, normalized_mutual_information, pairwise_f1
from oracles import clustering as oracle

LABELS = [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 4, 5]
CLUSTERS = [0, 0, 1, 0, 1, 1, 1, 2, 1, 2, 2, 2, 3, 2, 0, 3, 3, 0, 2, 3]

partition = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=25)


@given(partition)
def test_scores_equal_the_scalar_loops(pairs):
    labels, clusters = [list(part) for part in zip(*pairs, strict=True)]
    assert pairwise_f1(labels, clusters) == pytest.approx(oracle.pair_scores(labels, clusters)[2], abs=1e-12)
    assert normalized_mutual_information(labels, clusters) == pytest.approx(oracle.nmi(labels, clusters), abs=1e-9)
    one_each = len(set(labels)) == len(set(clusters)) in (1, len(labels))
    if not one_each and oracle.entropy(labels) + oracle.entropy(clusters) > 0:
        assert adjusted_mutual_information(labels, clusters) == pytest.approx(oracle.ami(labels, clusters), abs=1e-9)


@given(partition)
def test_scores_equal_scikit_learn(pairs):
    metrics = pytest.importorskip("sklearn.metrics")
    labels, clusters = [list(part) for part in zip(*pairs, strict=True)]
    if len(set(labels)) == 1:  # where one side is a single group scikit-learn's two scores follow rules of their own
        return
    nmi, ami = normalized_mutual_information(labels, clusters), adjusted_mutual_information(labels, clusters)
    assert nmi == pytest.approx(metrics.normalized_mutual_info_score(labels, clusters), abs=1e-9)
    assert ami == pytest.approx(metrics.adjusted_mutual_info_score(labels, clusters), abs=1e-9)


def test_many_samples_of_unequal_classes_agree_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    labels = np.minimum(rng.geometric(0.05, size=4000), 60)
    clusters = np.where(rng.random(4000) < 0.4, labels, rng.integers(0, 50, size=4000))
    assert adjusted_mutual_information(labels, clusters) == pytest.approx(
        metrics.adjusted_mutual_info_score(labels, clusters), abs=1e-9
    )
    assert normalized_mutual_information(labels, clusters) == pytest.approx(
        metrics.normalized_mutual_info_score(labels, clusters), abs=1e-12
    )


def test_twenty_samples_score_as_worked_out_by_the_loops():
    assert normalized_mutual_information(LABELS, CLUSTERS) == pytest.approx(oracle.nmi(LABELS, CLUSTERS), abs=1e-14)
    assert adjusted_mutual_information(LABELS, CLUSTERS) == pytest.approx(oracle.ami(LABELS, CLUSTERS), abs=1e-14)
    precision, recall, f1 = oracle.pair_scores(LABELS, CLUSTERS)
    assert (precision, recall) == (14 / 41, 14 / 34)
    assert pairwise_f1(LABELS, CLUSTERS) == pytest.approx(f1, abs=1e-15) == pytest.approx(28 / 75)


def test_a_single_cluster_has_no_information_but_pairs():
    assert normalized_mutual_information([0, 0, 1, 1], [7, 7, 7, 7]) == 0
    assert adjusted_mutual_information([0, 0, 1, 1], [7, 7, 7, 7]) == 0
    assert pairwise_f1([0, 0, 1, 1], [7, 7, 7, 7]) == 0.5


def test_equal_partitions_score_one_and_nobody_together_scores_zero_pairs():
    for labels in ([0, 0, 1, 1, 2], [3, 3, 3]):
        names = [{0: 5, 1: -2, 2: 9, 3: 0}[label] for label in labels]
        assert normalized_mutual_information(labels, names) == pytest.approx(1)
        assert adjusted_mutual_information(labels, names) == pytest.approx(1)
        assert pairwise_f1(labels, names) == 1
    assert adjusted_mutual_information([0, 1, 2], [2, 0, 1]) == 1
    assert pairwise_f1([0, 1, 2], [2, 0, 1]) == 0


def test_chance_scores_zero_on_the_adjusted_scale_only():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(30), 4)
    scores = [
        (score(labels, rng.permutation(labels)))
        for score in (normalized_mutual_information, adjusted_mutual_information)
        for _ in range(20)
    ]
    assert np.mean(scores[:20]) > 0.6
    assert abs(np.mean(scores[20:])) < 0.02


def test_numbers_that_are_no_partition_are_refused():
    with pytest.raises(InputError, match="clusters has 2 entries for 3 rows"):
        pairwise_f1([0, 1, 1], [0, 1])
    with pytest.raises(InputError, match="clustering of nothing"):
        pairwise_f1([], [])
    with pytest.raises(InputError, match="labels must be whole numbers"):
        adjusted_mutual_information([0.0, 1.0], [0, 1])
