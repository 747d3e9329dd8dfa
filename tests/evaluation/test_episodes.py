"""Episodes: what is drawn is fair, repeatable and apart; what is answered is what the loops judge_episodes."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from math import sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.test_check_values import entries
from nearkin.core import InputError, InputTypeError
from nearkin.distances import Mahalanobis
from nearkin.evaluation import Draw, Episodes, draw_episodes, episodes, given_episodes, judge_episodes
from nearkin.evaluation.episode_draw import distinct
from nearkin.statistics import episode_interval
from oracles.episodes import named_rightly

LABELS = np.repeat(np.arange(12), [9, 8, 7, 9, 8, 7, 9, 8, 7, 9, 3, 2])
ALPHABETS = np.array(["a", "b", "c"])[LABELS % 3]


def rows(seed: int = 0, dimensions: int = 4, spread: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, dimensions))
    return centres[LABELS] + spread * rng.normal(size=(len(LABELS), dimensions))


@settings(max_examples=25, deadline=None)
@given(ways=st.integers(2, 10), shots=st.integers(1, 4), queries=st.integers(1, 3), seed=st.integers(0, 5))
def test_an_episode_has_n_classes_with_k_and_q_images_each_and_no_image_twice(ways, shots, queries, seed):
    draw = draw_episodes(LABELS, ways=ways, shots=shots, queries=queries, episodes=20, seed=seed)
    assert draw.support.shape == (20, ways, shots)
    assert draw.queries.shape == (20, ways, queries)
    for classes, support, asked in zip(draw.labels, draw.support, draw.queries):
        assert len(set(classes)) == ways
        assert (LABELS[support] == classes[:, None]).all()
        assert (LABELS[asked] == classes[:, None]).all()
        assert len({*support.ravel(), *asked.ravel()}) == ways * (shots + queries)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 5), ways=st.integers(2, 3))
def test_within_a_group_only_its_classes_meet(seed, ways):
    draw = draw_episodes(LABELS, ways=ways, shots=2, queries=3, episodes=30, within=ALPHABETS, seed=seed)
    assert draw.groups is not None
    for group, support, asked in zip(draw.groups, draw.support, draw.queries):
        assert {*ALPHABETS[support].ravel(), *ALPHABETS[asked].ravel()} == {group}


def test_a_class_in_two_groups_is_drawn_in_each_with_its_images_there():
    labels, sites = np.repeat([0, 1, 2], 8), np.tile([0, 1], 12)
    draw = draw_episodes(labels, ways=3, shots=2, queries=2, episodes=40, within=sites)
    assert {0, 1} == set(draw.groups)
    for site, support, asked in zip(draw.groups, draw.support, draw.queries):
        assert (sites[support] == site).all()
        assert (sites[asked] == site).all()


def test_the_draw_is_decided_by_labels_sizes_and_seed():
    first, again = (draw_episodes(LABELS, ways=5, queries=2, episodes=50, seed=3) for _ in range(2))
    assert first.same_as(again)
    assert not first.same_as(draw_episodes(LABELS, ways=5, queries=2, episodes=50, seed=4))
    one, other = (
        episodes(rows(), LABELS, ways=5, shots=2, queries=2, episodes=50, seed=3, method=method, distance=distance)
        for method, distance in (("prototypes", "euclidean"), ("neighbours", "cosine"))
    )
    assert one.draw.same_as(other.draw)


def test_every_ordered_choice_is_as_likely():
    found = Counter(map(tuple, distinct(np.random.default_rng(0), np.full(24000, 4), 3).tolist()))
    assert set(found) == set(permutations(range(4), 3))
    assert sum((count - 1000) ** 2 / 1000 for count in found.values()) < 49.7  # chi-squared, 23 degrees, p = 0.001


def test_groups_have_the_same_chance_and_so_have_classes_within_one():
    groups = np.repeat([0, 1], [40, 80])
    draw = draw_episodes(np.arange(120) // 4, ways=2, shots=1, queries=1, episodes=4000, within=groups)
    assert abs((draw.groups == 0).mean() - 0.5) < 0.03
    counts = np.bincount(draw.labels[draw.groups == 0].ravel(), minlength=30)[:10]
    assert (abs(counts - counts.mean()) < 5 * sqrt(counts.mean())).all()


def test_small_classes_and_small_groups_are_left_out_with_a_note():
    draw = draw_episodes(LABELS, ways=3, shots=2, queries=3, episodes=200)
    assert set(draw.labels.ravel()) == set(range(10))
    assert draw.notes == ("2 of 12 classes were left out: they have fewer than 5 images",)
    draw = draw_episodes(LABELS, ways=4, shots=2, queries=3, episodes=20, within=ALPHABETS)
    assert set(draw.groups) == {"a"}
    assert draw.notes[1] == "2 of 3 groups were left out: they have fewer than 4 classes with enough images (b, c)"
    assert episodes(rows(), LABELS, ways=3, shots=2, queries=3, episodes=5).notes == draw.notes[:1]


@pytest.mark.parametrize(
    "distance", ["euclidean", "squared-euclidean", "cosine", "inner-product", "snr", "snr-symmetric"]
)
@pytest.mark.parametrize(
    ("method", "shots", "options"),
    [
        ("prototypes", 1, {}),
        ("prototypes", 3, {}),
        ("neighbours", 1, {}),
        ("neighbours", 3, {"k": 1}),
        ("neighbours", 3, {"k": 4}),
        ("neighbours", 3, {"k": 4, "weights": "distance"}),
    ],
)
def test_answers_are_those_of_the_loops(distance, method, shots, options):
    if distance == "inner-product" and options.get("weights") == "distance":
        pytest.skip("inner products have no inverse to weigh with")
    x = rows(1)
    found = episodes(
        x, LABELS, ways=4, shots=shots, queries=2, episodes=12, method=method, distance=distance, **options
    )
    plain = x.tolist()
    truth = [
        named_rightly(plain, support, asked, distance, method, **options)
        for support, asked in zip(found.draw.support.tolist(), found.draw.queries.tolist())
    ]
    assert 0 < found.accuracy < 1
    np.testing.assert_array_equal(found.right, truth)
    np.testing.assert_allclose(found.accuracies, [np.mean(each) for each in truth])


def test_with_one_shot_prototypes_and_neighbours_are_the_same():
    one, other = (
        episodes(rows(), LABELS, ways=6, episodes=50, queries=1, method=each) for each in ("prototypes", "neighbours")
    )
    np.testing.assert_array_equal(one.right, other.right)
    assert one.minus(other).estimate == 0


def test_a_learned_map_is_used_before_means_are_taken():
    x, squeeze = rows(2), np.diag([1.0, 0.0, 0.0, 0.0])
    learned = Mahalanobis(4)
    with torch.no_grad():
        next(learned.parameters()).copy_(torch.from_numpy(squeeze))
    options = {"ways": 4, "shots": 2, "queries": 2, "episodes": 20}
    found = episodes(x, LABELS, distance=learned, **options)
    np.testing.assert_array_equal(found.right, episodes(x[:, :1], LABELS, **options).right)


def test_a_network_that_is_one_point_scores_one_in_n():
    found = episodes(np.ones((len(LABELS), 3)), LABELS, ways=5, queries=2, episodes=30)
    assert set(found.accuracies) == {0.2}


def test_means_that_differ_by_rounding_alone_are_equal():
    x = np.array([[0.1, 0.0], [0.2, 0.0], [0.3, 0.0], [0.3, 0.0], [0.1, 0.0], [0.2, 0.0], [0.0, 1.0], [0.0, 1.0]])
    draw = Draw(np.array([[0, 1]]), np.array([[[0, 1, 2], [3, 4, 5]]]), np.array([[[6], [7]]]))
    assert judge_episodes(x, draw).right.ravel().tolist() == [True, False]


def test_the_interval_is_that_of_the_episodes_and_so_is_a_difference():
    one, other = (episodes(rows(seed), LABELS, ways=5, queries=2, episodes=60) for seed in (0, 1))
    mean, error = one.accuracies.mean(), one.accuracies.std(ddof=1) / sqrt(60)
    assert one.accuracy == pytest.approx(mean)
    assert (one.interval.low, one.interval.high) == pytest.approx(
        (mean - 1.959963984540054 * error, mean + 1.959963984540054 * error)
    )
    assert one.interval.over == "episodes"
    assert one.minus(other) == episode_interval(one.accuracies - other.accuracies)
    assert (
        str(one)
        == f"5-way 1-shot, prototypes: {one.accuracy:.4f} [{one.interval.low:.4f}, {one.interval.high:.4f}] over 60 episodes"
    )
    with pytest.raises(InputError, match="other episodes"):
        one.minus(episodes(rows(), LABELS, ways=5, queries=2, episodes=60, seed=1))


@pytest.mark.parametrize(
    "entry", [case for case in entries("EVA-7") if not case.values[0] or "episode" in case.values[0]["name"]]
)
def test_check_values_of_the_interval(entry):
    values = entry["inputs"]["episode_accuracy"]
    right = np.zeros((len(values), 2, 50), dtype=bool)
    for episode, value in zip(right, values):
        episode.reshape(-1)[: round(value * 100)] = True
    found = Episodes("", episode_interval(right.mean((1, 2))), right.mean((1, 2)), right, Draw(*[np.zeros((6, 1))] * 3))
    assert found.accuracy == pytest.approx(entry["value"]["mean"], rel=1e-12)
    half = (found.interval.high - found.interval.low) / 2
    assert half == pytest.approx(entry["value"]["half_width_95"], rel=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ways": 12}, "episodes of 12 classes with 3 images each cannot be drawn: 11 of 12"),
        ({"ways": 1}, "ways must be a whole number of at least 2"),
        ({"shots": 0}, "shots must be"),
        ({"queries": 9}, "0 of 12 classes have so many images"),
        ({"ways": 5, "within": ALPHABETS}, "the group with most of them has 4"),
        ({"within": ALPHABETS[1:]}, "within has"),
        ({"method": "prototype"}, "did you mean 'prototypes'"),
        ({"weights": "equal"}, "weights must be"),
        ({"method": "neighbours", "k": 5}, "k is 5, but an episode has 4 images"),
        ({"distance": "euclid"}, "did you mean"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_what_cannot_be_drawn_or_answered_is_refused(change, words):
    with pytest.raises(InputError, match=words):
        episodes(rows(), LABELS, **{"ways": 4, "queries": 2, "episodes": 3, "shots": 1, **change})


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="there are 85 embeddings and 86 labels"):
        episodes(rows()[:-1], LABELS)
    with pytest.raises(InputError, match="NaN or infinity in 1 of 86 rows"):
        episodes(np.where(np.arange(86)[:, None] == 3, np.nan, rows()), LABELS)
    with pytest.raises(InputTypeError, match="labels must be whole numbers"):
        episodes(rows(), LABELS / 2)
    draw = draw_episodes(LABELS, ways=3, queries=2, episodes=3)
    with pytest.raises(InputError, match="rows that 4 embeddings do not have"):
        judge_episodes(rows()[:4], draw)


def test_given_episodes_are_the_groups_with_what_is_asked_in_each():
    rng = np.random.default_rng(3)
    groups, labels, asks = (each.ravel() for each in np.indices((4, 3, 5)))
    order = rng.permutation(len(groups))
    groups, labels, asks = (
        np.array(["b", "a", "d", "c"])[groups[order]],
        10 * groups[order] + labels[order],
        asks[order] >= 2,
    )
    draw = given_episodes(labels, groups, asks)
    assert draw.groups.tolist() == ["a", "b", "c", "d"]
    assert (draw.support.shape, draw.queries.shape) == ((4, 3, 2), (4, 3, 3))
    assert sorted([*draw.support.ravel(), *draw.queries.ravel()]) == list(range(60))
    assert asks[draw.queries].all()
    assert not asks[draw.support].any()
    for rows in (draw.support, draw.queries):
        assert (labels[rows] == draw.labels[:, :, None]).all()
        assert (groups[rows] == draw.groups[:, None, None]).all()


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_given_episodes_that_differ_are_refused(lost):
    labels, groups, asks = np.array([0, 0, 1, 1, 2, 2, 3, 3]), np.repeat([0, 1], 4), np.tile([False, True], 4)
    given_episodes(labels, groups, asks)
    kept = np.arange(8) != lost
    with pytest.raises(InputError, match="episodes must be alike"):
        given_episodes(labels[kept], groups[kept], asks[kept])
    with pytest.raises(InputError, match="asks must be 8 flags"):
        given_episodes(labels, groups, asks[:-1])
