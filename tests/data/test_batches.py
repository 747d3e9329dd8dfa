"""P x K batches: every promise of the docstring is a property."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nearkin.core import InputError, InputTypeError
from nearkin.data import PKSampler


@st.composite
def samplers(draw):
    sizes = draw(st.lists(st.integers(1, 12), min_size=1, max_size=8))
    shuffled = draw(st.permutations([label for label, size in enumerate(sizes) for _ in range(size)]))
    labels = np.array(shuffled) * 7 - 3  # labels need not be 0, 1, 2, ...
    places = draw(st.integers(1, len(sizes)))
    each = draw(st.integers(1, max(sizes)))
    return labels, places, each, draw(st.integers(0, 100)), draw(st.integers(0, 5))


@given(samplers())
def test_every_batch_has_p_classes_and_k_images_of_each(case):
    labels, places, each, seed, number = case
    for batch in PKSampler(labels, places, each, seed=seed).epoch(number):
        assert batch.shape == (places * each,)
        assert batch.dtype == np.int64
        assert Counter(Counter(labels[batch].tolist()).values()) == {each: places}
        assert all(len(set(chunk)) == 1 for chunk in labels[batch].reshape(places, each).tolist())


@given(samplers())
def test_every_image_occurs_in_every_epoch(case):
    labels, places, each, seed, number = case
    batches = PKSampler(labels, places, each, seed=seed).epoch(number)
    assert set(np.concatenate(batches).tolist()) == set(range(len(labels)))


@given(samplers())
def test_images_of_a_class_are_distinct_in_a_batch_or_repeat_evenly(case):
    labels, places, each, seed, number = case
    sizes = Counter(labels.tolist())
    for batch in PKSampler(labels, places, each, seed=seed).epoch(number):
        for hand in batch.reshape(places, each):
            size = sizes[int(labels[hand[0]])]
            times = Counter(hand.tolist())
            if size >= each:
                assert len(times) == each
            else:
                assert len(times) == size
                assert set(times.values()) <= {each // size, math.ceil(each / size)}


@given(samplers())
def test_an_epoch_has_the_fewest_batches_that_can_hold_every_hand(case):
    labels, places, each, seed, number = case
    hands = [math.ceil(size / each) for size in Counter(labels.tolist()).values()]
    sampler = PKSampler(labels, places, each, seed=seed)
    assert len(sampler) == len(sampler.epoch(number)) == max(max(hands), math.ceil(sum(hands) / places))


@given(samplers())
def test_larger_classes_are_in_more_batches(case):
    labels, places, each, seed, number = case
    sizes = Counter(labels.tolist())
    appearances = Counter()
    for batch in PKSampler(labels, places, each, seed=seed).epoch(number):
        appearances.update(labels[batch[::each]].tolist())
    for first in sizes:
        for second in sizes:
            if sizes[first] >= sizes[second]:
                assert appearances[first] >= appearances[second] - 1


@given(samplers())
def test_seed_and_number_decide_alone_whatever_was_drawn_before(case):
    labels, places, each, seed, number = case
    resumed = PKSampler(labels, places, each, seed=seed).epoch(number)
    through = PKSampler(labels, places, each, seed=seed)
    for earlier in range(number):
        through.epoch(earlier)
    assert all(map(np.array_equal, resumed, through.epoch(number)))


@given(samplers())
def test_the_sampler_leaves_the_global_random_state_alone(case):
    labels, places, each, seed, number = case
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    PKSampler(labels, places, each, seed=seed).epoch(number)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@settings(max_examples=10)
@given(samplers())
def test_other_seeds_and_epochs_give_other_batches(case):
    labels, places, each, seed, number = case
    assume(len(labels) > 20 and each > 1)
    batches = {
        tuple(np.concatenate(PKSampler(labels, places, each, seed=seed + more).epoch(number + later)).tolist())
        for more in range(2)
        for later in range(2)
    }
    assert len(batches) == 4


def test_all_pairs_of_classes_meet_within_an_epoch():
    labels = np.repeat(np.arange(10), 100)
    met = set()
    for batch in PKSampler(labels, 5, 4, seed=0).epoch(0):
        present = np.unique(labels[batch])
        met |= {(int(first), int(second)) for first in present for second in present}
    assert len(met) == 100


def test_a_large_class_among_small_ones_is_in_every_batch():
    labels = np.repeat([0, 1, 2, 3], [100, 5, 5, 1])
    batches = PKSampler(labels, 2, 5, seed=3).epoch(0)
    assert len(batches) == 20
    assert all((labels[batch] == 0).sum() == 5 for batch in batches)


@pytest.mark.parametrize(
    ("labels", "places", "each", "error", "words"),
    [
        ([0, 0, 1, 1], 3, 2, InputError, "classes_per_batch is 3, but there are only 2 classes"),
        ([0, 0, 1, 1], 2, 3, InputError, "images_per_class is 3, larger than every class: the largest has 2"),
        ([0, 0, 1, 1], 0, 2, InputError, "classes_per_batch must be"),
        ([0, 0, 1, 1], 2, 0, InputError, "images_per_class must be"),
        ([0, 0, 1, 1], 2.0, 2, InputTypeError, "classes_per_batch must be a whole number"),
        ([0.0, 1.0], 1, 1, InputTypeError, "labels must be one column of integers, got float64"),
        ([[0, 1]], 1, 1, InputTypeError, "labels must be one column"),
        (np.zeros(0, int), 1, 1, InputError, "labels are empty"),
    ],
)
def test_impossible_batches_are_refused_in_words(labels, places, each, error, words):
    with pytest.raises(error, match=words):
        PKSampler(labels, places, each, seed=0)
