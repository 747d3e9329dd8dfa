"""A promised search false-accept rate: the bound, the threshold, what is refused, and how a promise ages."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearkin.core import InputError
from nearkin.decision.class_bound import classes_of, doubt, upper_bound
from nearkin.decision.growth import Size, left_out_room, outgrown
from nearkin.decision.promise import Promise, promise
from nearkin.decision.support import smallest_rate
from oracles import promise as slow


def drawn(seed: int, classes: int = 60, photos: int = 6, together: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Distances, uniform over photos, so that the true share at a threshold is the threshold; and classes."""
    rng = np.random.default_rng(seed)
    z = together**0.5 * rng.standard_normal((classes, 1)) + (1 - together) ** 0.5 * rng.standard_normal(
        (classes, photos)
    )
    uniform = np.array([[0.5 * math.erfc(-value / 2**0.5) for value in row] for row in z])
    return uniform.ravel(), np.repeat(np.arange(classes), photos)


@pytest.mark.parametrize(("hits", "classes"), [(0, 1), (0, 20), (1, 20), (3, 150), (0, 400)])
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
def test_all_or_nothing_classes_have_the_binomial_doubt(hits, classes, rate):
    accepted = np.r_[np.full(hits, 7), np.zeros(classes - hits)]
    wanted = float(slow.binomial_doubt(hits, classes, Fraction(rate)))
    found = doubt(classes_of(accepted, np.full(classes, 7)), rate)
    assert found == pytest.approx(wanted, abs=1e-7) or (found == 1 and wanted > 0.3)


@pytest.mark.parametrize("seed", range(6))
def test_doubt_equals_partial_fractions(seed):
    rng = np.random.default_rng(seed)
    photos = rng.choice(np.arange(11, 60), 9, replace=False)
    accepted = rng.integers(0, 4, 9)
    shares = accepted / photos * photos / photos.max()
    if len(np.unique(np.round(shares - 0.3 * photos / photos.max(), 9))) == 9:
        assert doubt(classes_of(accepted, photos), 0.3) == pytest.approx(slow.doubt(accepted, photos, 0.3), abs=1e-6)


def test_half_independent_classes_double_what_is_needed():
    nothing = classes_of(np.zeros(80), np.full(80, 5))
    assert doubt(nothing, 0.1, 0.5) == pytest.approx(doubt(classes_of(np.zeros(40), np.full(40, 5)), 0.1), rel=1e-6)


@given(
    st.lists(st.integers(0, 5), min_size=12, max_size=30), st.integers(0, 29), st.floats(0.2, 0.7), st.floats(0.6, 0.99)
)
@settings(max_examples=40, deadline=None)
def test_bound_grows_with_what_is_accepted_and_with_confidence(accepted, place, rate, confidence):
    photos = np.full(len(accepted), 6)
    more = list(accepted)
    more[place % len(more)] += 1
    assert doubt(classes_of(more, photos), rate) >= doubt(classes_of(accepted, photos), rate) - 1e-9
    bound = upper_bound(classes_of(accepted, photos), confidence)
    assert bound >= sum(accepted) / photos.sum()
    assert bound <= upper_bound(classes_of(accepted, photos), (1 + confidence) / 2) + 1e-9


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ties", [False, True])
def test_threshold_is_the_last_before_the_first_that_fails(seed, ties):
    distances, classes = drawn(seed, classes=30)
    distances = np.round(distances, 2) if ties else distances
    sizes = np.full(30, 6)

    def holds(accepted):
        return doubt(classes_of([accepted[name] for name in range(30)], sizes), 0.2) <= 0.05

    first_failing = slow.threshold_steps(distances.tolist(), classes.tolist(), holds)
    found = promise(distances, classes, 0.2)
    assert found.threshold == np.nextafter(first_failing, -np.inf)
    assert found.observed == (distances <= found.threshold).mean()
    assert found.observed <= found.upper <= found.rate


@given(st.integers(0, 10_000), st.floats(0.12, 0.5), st.floats(0.55, 0.95))
@settings(max_examples=25, deadline=None)
def test_threshold_grows_with_the_rate_and_falls_with_confidence_and_room(seed, rate, confidence):
    distances, classes = drawn(seed, classes=40, photos=4)
    found = promise(distances, classes, rate, confidence=confidence)
    assert promise(distances, classes, rate + 0.05, confidence=confidence).threshold >= found.threshold
    assert promise(distances, classes, rate, confidence=(0.95 + confidence) / 2).threshold <= found.threshold
    assert promise(distances, classes, rate, confidence=confidence, room=1.2).threshold <= found.threshold
    assert promise(distances, classes, rate, confidence=confidence, independent=0.7).threshold <= found.threshold
    order = np.random.default_rng(seed).permutation(len(distances))
    assert promise(distances[order], classes[order], rate, confidence=confidence) == found


@pytest.mark.parametrize("together", [0.2, 0.9])
def test_promise_is_kept_for_the_true_share(together):
    thresholds = [promise(*drawn(seed, 60, 5, together), 0.1).threshold for seed in range(60)]
    assert np.mean(np.array(thresholds) <= 0.1) >= 0.95  # the truth at a threshold is the threshold itself
    photos = [np.quantile(drawn(seed, 60, 5, together)[0], 0.1) for seed in range(60)]
    assert np.mean(np.array(photos) <= 0.1) < 0.7  # a plain quantile does not keep it


def test_large_samples_promise_nearly_the_rate():
    distances, classes = drawn(1, classes=4000, photos=5, together=0.3)
    assert 0.09 < promise(distances, classes, 0.1).threshold < 0.1


def test_every_photo_counts_the_same():
    sizes = np.r_[np.full(40, 2), np.full(40, 8)]
    classes = np.repeat(np.arange(80), sizes)
    distances = np.random.default_rng(0).random(len(classes))
    found = promise(distances, classes, 0.2)
    assert found.observed == (distances <= found.threshold).sum() / len(distances)


def test_less_than_the_classes_support_is_refused_with_the_least():
    distances, classes = drawn(0, classes=40)
    least = smallest_rate(classes)
    assert least == pytest.approx(1 - 0.05 ** (1 / 40), abs=1e-6)
    with pytest.raises(
        InputError, match=r"40 classes cannot support .*0\.05.*promise at least 0\.0722, or .* 59 classes"
    ):
        promise(distances, classes, 0.05)
    kept = promise(distances, classes, least + 1e-6)
    assert kept.observed == 0
    assert kept.threshold == np.nextafter(distances.min(), -np.inf)
    assert "none of the 240 photos" in kept.notes[0]
    assert smallest_rate(classes, room=1.5) == pytest.approx(1.5 * least)


def test_copies_among_the_unknown_leave_nothing_to_accept_and_it_is_said():
    distances, classes = drawn(0)
    found = promise(np.where(classes < 30, 0.0, distances), classes, 0.1)
    assert found.threshold < 0
    assert "distance 0" in " ".join(found.notes)


def test_searches_without_an_answer_are_never_accepted():
    distances, classes = drawn(0)
    found = promise(np.where(distances < 0.5, distances, np.inf), classes, 0.1)
    assert found == promise(distances, classes, 0.1)
    nothing = promise(np.full(len(classes), np.inf), classes, 0.1)
    assert math.isfinite(nothing.threshold)
    assert nothing.observed == 0
    assert "no search found anything" in nothing.notes[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rate": 0.0}, "rate must lie above 0"),
        ({"rate": 1.0}, "rate must lie above 0 and below 1"),
        ({"rate": math.nan}, "rate"),
        ({"confidence": 0.5}, "confidence must lie between 0.5 and 1"),
        ({"room": 0.9}, "room must be at least 1"),
        ({"independent": 0}, "independent must lie above 0"),
        ({"distances": [math.nan] * 360}, "NaN"),
        ({"distances": [-math.inf] * 360}, "minus infinity"),
        ({"distances": []}, "one row of numbers"),
        ({"classes": [1, 2]}, "one for each of the 360 distances"),
        ({"classes": [0.5] * 360}, "whole numbers or names"),
    ],
)
def test_bad_input_is_refused_in_words(change, words):
    distances, classes = drawn(0)
    with pytest.raises(InputError, match=words):
        promise(**{"distances": distances, "classes": classes, "rate": 0.1, **change})


def test_promise_survives_json():
    distances, classes = drawn(0)
    found = promise(distances, np.array([f"класс {code}" for code in classes]), 0.1, room=1.1)
    assert Promise.from_section(json.loads(json.dumps(found.as_section()))) == found
    assert str(found).startswith(
        "at most 0.1 of the photos of unknown classes get a name (confidence 95%, also with 10.0% more"
    )


def test_a_promise_ages_with_classes_or_images():
    distances, classes = drawn(0)
    found = promise(distances, classes, 0.1)
    then = Size(100, 700)
    assert not outgrown(found, then, then).outgrown
    assert not outgrown(found, then, Size(90, 650)).outgrown
    grown = outgrown(found, then, Size(110, 720))
    assert grown.outgrown
    assert grown.ratio == 1.1
    assert grown.at_most == pytest.approx(1.1 * found.upper)
    assert "calibrate again" in grown.words
    assert outgrown(found, then, Size(100, 1400)).ratio == 2
    roomy = promise(distances, classes, 0.1, room=1.2)
    assert not outgrown(roomy, then, Size(119, 800)).outgrown
    assert outgrown(roomy, then, Size(125, 800)).outgrown
    assert left_out_room(100) == pytest.approx(100 / 99)
    with pytest.raises(InputError, match="an image of each"):
        outgrown(found, then, Size(100, 99))
