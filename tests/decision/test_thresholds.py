"""Rules of thresholds: as the scalar loops have them, what they refuse, and why Otsu fails where few pairs are positive."""

from __future__ import annotations

import json
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nearkin.core import InputError
from nearkin.decision import (
    THRESHOLDS,
    Roc,
    Space,
    Threshold,
    calibrate_threshold,
    class_draws,
    given_pairs,
    otsu,
    pair_distances,
    verification,
)
from nearkin.decision.class_draws import drawn
from nearkin.decision.otsu import binned
from nearkin.decision.pairs import Counts
from nearkin.decision.rules import Settings, chosen, supported_far
from oracles import verification as loops

GRID = st.lists(st.integers(0, 6).map(lambda n: n / 4), min_size=1, max_size=12)
POSITIVE, NEGATIVE = NormalDist(0.5, 0.15), NormalDist(1.35, 0.10)
"""The simulated distances of the example: 8.5 deviations apart."""

MORE = {"eer": {}, "far": {"far": 0.005}, "otsu": {}, "otsu-balanced": {}}


def labelled(classes: int = 30, each: int = 5, seed: int = 0, noise: float = 0.5):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, 4))
    x = np.repeat(centres, each, 0) + noise * rng.normal(size=(classes * each, 4))
    return pair_distances(Space(), x, np.repeat(np.arange(classes), each))


@settings(deadline=None, max_examples=150)
@given(GRID, GRID, st.sampled_from([0.5, 1.0, 3.0]), st.sampled_from([None, 0.01, 0.5]))
def test_labelled_rules_are_as_the_loops_have_them(positive, negative, beta, share):
    pairs = given_pairs(positive, negative)
    own = len(positive) / (len(positive) + len(negative)) if share is None else share
    wanted = {
        "eer": loops.eer(positive, negative)[1],
        "balanced-accuracy": loops.best(positive, negative, loops.balanced)[1],
        "f-beta": loops.best(positive, negative, loops.f_beta(beta, own))[1],
        "cost": loops.best(positive, negative, loops.minus_cost(2, 0.5, own))[1],
    }
    given_settings = {
        "f-beta": {"beta": beta, "positive_share": share},
        "cost": {"false_accept_cost": 2, "false_reject_cost": 0.5, "positive_share": share},
    }
    for rule, value in wanted.items():
        found = calibrate_threshold(pairs, rule, **given_settings.get(rule, {}))
        assert found.value == value, rule
        assert (found.tpr, found.far) == pytest.approx(
            (loops.share_within(positive, value), loops.share_within(negative, value))
        )


@settings(deadline=None, max_examples=100)
@given(GRID, GRID)
def test_otsu_is_as_the_loops_have_it(positive, negative):
    pairs = given_pairs(positive, negative)
    assume(len({*positive, *negative}) > 1)
    halves = [1 / len(positive)] * len(positive) + [1 / len(negative)] * len(negative)
    both = [*positive, *negative]
    assert calibrate_threshold(pairs, "otsu").value == loops.otsu(both, [1.0] * len(both))[0]
    assert calibrate_threshold(pairs, "otsu-balanced").value == loops.otsu(both, halves)[0]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 40).map(lambda n: n / 8), min_size=1, max_size=15),
    st.lists(st.integers(0, 3), min_size=100, max_size=130),
    st.sampled_from([0.1, 0.3, 0.5]),
)
def test_far_is_the_largest_distance_that_keeps_the_rate(positive, more, far):
    negative = [1 + n + i / 64 for i, n in enumerate(more)]
    pairs, wanted = given_pairs(positive, negative), loops.tar_at_far(positive, negative, far)[1]
    found = calibrate_threshold(pairs, "far", far=far)
    assert found.value == wanted and found.far <= far
    assert found.settings == {"far": far}


def test_otsu_cuts_the_impostors_in_half_where_few_pairs_are_positive():
    """An unbalanced set, with a sample of its own: 2,000,000 distances, 0.0857 % of them positive."""
    few = round(2_000_000 * 21_000 / 24_496_500)
    rng = np.random.default_rng(12)
    pairs = given_pairs(rng.normal(0.5, 0.15, few), rng.normal(1.35, 0.10, 2_000_000 - few))
    for rule, value, tpr, tnr in (("otsu", 1.348, 1.0000, 0.5080), ("otsu-balanced", 0.924, 0.9976, 0.99999)):
        found = calibrate_threshold(pairs, rule)
        assert found.value == pytest.approx(value, abs=0.003), rule
        assert POSITIVE.cdf(found.value) == pytest.approx(tpr, abs=2e-4), rule
        assert 1 - NEGATIVE.cdf(found.value) == pytest.approx(tnr, abs=0.01 if rule == "otsu" else 1e-5), rule
        assert any("cuts the impostor pairs themselves" in note for note in found.notes) == (rule == "otsu")
    best = calibrate_threshold(pairs, "balanced-accuracy")  # so flat a maximum that samples differ in its place
    assert (POSITIVE.cdf(best.value) + 1 - NEGATIVE.cdf(best.value)) / 2 == pytest.approx(0.99965, abs=1.5e-3)
    assert calibrate_threshold(pairs, "otsu", bins=4096).value == pytest.approx(1.348, abs=0.003)


def test_the_exact_optimum_of_the_two_normals_is_that_of_the_table():
    """No sample: each distance of a fine grid with its probability under either normal."""
    grid = np.linspace(-0.5, 2.5, 6001)
    steps = [np.diff([0.0, *(normal.cdf(t) for t in grid)]) for normal in (POSITIVE, NEGATIVE)]
    share = 21_000 / 24_496_500
    counts = Counts(grid, share * steps[0], (1 - share) * steps[1])
    for rule, value, loose in (
        ("otsu", 1.348, 6e-4),
        ("otsu-balanced", 0.924, 6e-4),
        ("balanced-accuracy", 1.003, 6e-4),
    ):
        assert chosen(rule, counts, Settings()) == pytest.approx(value, abs=loose), rule
    rates = Roc.of(counts).at(1.003)
    assert (rates.tpr, rates.tnr) == pytest.approx((0.9996, 0.9997), abs=5e-5)


@pytest.mark.parametrize(
    ("impostors", "far", "smallest"), [(999, 1e-2, "0.0101"), (12, 0.1, "0.834"), (50_000, 1e-4, "0.0002")]
)
def test_a_rate_that_the_impostors_cannot_support_is_refused_with_the_smallest_that_they_do(impostors, far, smallest):
    pairs = given_pairs([0.0] * 500, np.linspace(1, 2, impostors))
    with pytest.raises(
        InputError, match=f"and there are {impostors:,}; the smallest that they support is far={smallest}"
    ):
        calibrate_threshold(pairs, "far", far=far)
    calibrate_threshold(pairs, "far", far=float(smallest))
    assert supported_far(impostors) == float(smallest)


def test_five_hundred_pairs_say_nothing_about_1_in_10000():
    with pytest.raises(InputError, match="needs at least 100,000 impostor pairs"):
        calibrate_threshold(given_pairs([0.1], np.linspace(0.5, 1, 500)), "far", far=1e-4)
    with pytest.raises(InputError, match="they support none"):
        calibrate_threshold(given_pairs([0.1], [0.5]), "far", far=1e-4)


def test_a_rate_that_no_distance_keeps_is_refused():
    with pytest.raises(InputError, match="do not tell classes apart"):
        calibrate_threshold(given_pairs([0.0] * 5, [0.0] * 200), "far", far=0.1)


def test_the_interval_covers_what_other_classes_would_have_given():
    """Of 40 calibrations on 40 new classes each, most intervals hold the threshold of very many classes."""
    truth = calibrate_threshold(labelled(classes=500, each=4, seed=99), "eer", bootstrap=0).value
    held = 0
    for seed in range(40):
        found = calibrate_threshold(labelled(classes=40, each=4, seed=seed), "eer", bootstrap=100)
        held += found.low <= truth <= found.high
    assert held >= 33


def test_a_bootstrap_over_classes_is_wider_than_one_over_pairs():
    pairs = labelled(noise=0.8)
    positive, negative = pairs.distances[pairs.same], pairs.distances[~pairs.same]
    rng = np.random.default_rng(0)
    naive = [
        loose.value
        for _ in range(100)
        for loose in [calibrate_threshold(given_pairs(*(rng.choice(d, len(d)) for d in (positive, negative))))]
    ]
    low, high = np.quantile(naive, [0.025, 0.975])
    found = calibrate_threshold(pairs, bootstrap=200)
    assert found.high - found.low > 1.5 * (high - low)
    assert found.low <= found.value <= found.high


def test_draws_count_pairs_as_their_classes_were_drawn():
    pairs, rng = labelled(), np.random.default_rng(3)
    for counts in drawn(pairs, 5, seed=3):
        wanted = pairs.counts(rng.multinomial(30, np.full(30, 1 / 30)))
        for ours, exact in zip(counts, wanted, strict=True):
            np.testing.assert_array_equal(ours, exact)


def test_draws_of_many_distances_tell_enough_of_them_apart(monkeypatch):
    pairs = labelled(classes=60)
    every = {rule: calibrate_threshold(pairs, rule, bootstrap=60, **more) for rule, more in MORE.items()}
    monkeypatch.setattr(class_draws, "STEPS", 300)
    monkeypatch.setattr(class_draws, "RESAMPLED", 8_000)
    assert len(next(drawn(pairs, 1, seed=0)).distances) <= 1_000 < 10_000 < len(pairs)
    for rule, more in MORE.items():
        some = calibrate_threshold(pairs, rule, bootstrap=60, **more)
        width = every[rule].high - every[rule].low
        assert (some.low, some.high) == pytest.approx((every[rule].low, every[rule].high), abs=0.25 * width), rule


def test_the_same_seed_gives_the_same_interval():
    pairs = labelled()
    first, again, other = (calibrate_threshold(pairs, "far", far=0.01, bootstrap=50, seed=s) for s in (1, 1, 2))
    assert first == again and (first.low, first.high) != (other.low, other.high)


def test_where_there_can_be_no_interval_the_reason_is_said():
    assert calibrate_threshold(given_pairs([0.1], [0.2])).notes == (
        "no interval: the pairs were given without their classes",
    )
    two = pair_distances(Space(), [[0.0], [0.1], [1.0], [1.1]], [0, 0, 1, 1])
    assert "2 classes are too few" in calibrate_threshold(two).notes[0]
    few = labelled(classes=4)
    found = calibrate_threshold(few, bootstrap=100)
    assert any("from 4 classes only" in note for note in found.notes)
    assert calibrate_threshold(few, bootstrap=0).low is None and calibrate_threshold(few, bootstrap=0).notes == ()


def test_draws_without_a_threshold_are_counted():
    x = np.r_[np.arange(12.0), [0.1]][:, None]  # one class has two rows, eleven have one
    found = calibrate_threshold(pair_distances(Space(), x, [*range(12), 0]), bootstrap=200)
    assert any("had no threshold and are left out" in note for note in found.notes)


@pytest.mark.parametrize("rule", sorted(THRESHOLDS))
def test_pairs_of_one_kind_or_of_one_distance(rule):
    given_settings = {"far": 0.1} if rule == "far" else {}
    only = given_pairs([], np.linspace(1, 2, 200))
    if THRESHOLDS[rule].labelled:
        with pytest.raises(InputError, match="no positive ones"):
            calibrate_threshold(only, rule, **given_settings)
    else:
        found = calibrate_threshold(only, rule)
        assert found.tpr is None and found.value == pytest.approx(1.5, abs=0.01)
        assert "None" not in str(found)
    same = given_pairs([0.5] * 200, [0.5] * 200)
    if rule in ("otsu", "otsu-balanced", "far"):
        with pytest.raises(InputError):
            calibrate_threshold(same, rule, **given_settings)
    else:
        assert calibrate_threshold(same, rule).value == 0.5


def test_costs_and_shares_move_the_threshold_as_they_should():
    pairs = labelled(noise=0.9)
    dear, cheap = (
        calibrate_threshold(pairs, "cost", false_accept_cost=c, positive_share=0.5, bootstrap=0).value
        for c in (20, 0.05)
    )
    recall, precision = (calibrate_threshold(pairs, "f-beta", beta=b, bootstrap=0).value for b in (4, 0.25))
    assert dear < cheap and precision < recall


@pytest.mark.parametrize(
    ("rule", "given_settings", "words"),
    [
        ("err", {}, "did you mean 'eer'"),
        ("far", {}, "needs the false-accept rate"),
        ("far", {"far": 0}, "between 0 and 1"),
        ("far", {"far": float("nan")}, "from 0 to 1"),
        ("eer", {"far": 0.1}, "does not read 'far'; it has no settings"),
        ("f-beta", {"bata": 1}, "it reads beta, positive_share"),
        ("f-beta", {"beta": 0}, "beta must be"),
        ("cost", {"false_accept_cost": 0, "false_reject_cost": 0}, "both 0"),
        ("cost", {"positive_share": 1}, "between 0 and 1"),
        ("otsu", {"bins": 256}, "at least 4096"),
    ],
)
def test_what_a_rule_cannot_do_is_said(rule, given_settings, words):
    with pytest.raises(InputError, match=words):
        calibrate_threshold(labelled(classes=8), rule, bootstrap=0, **given_settings)


def test_a_threshold_says_on_how_many_pairs_it_stands_and_survives_json():
    pairs = labelled()
    found = calibrate_threshold(pairs, "far", far=0.01, bootstrap=50)
    assert "by far, far=0.01" in str(found) and "of 30 classes" in str(found)
    assert f"{pairs.positives:,} positive and {pairs.negatives:,} impostor pairs" in str(found)
    assert Threshold.from_section(json.loads(json.dumps(found.as_section()))) == found
    assert found.scoring == "euclidean"


def test_sampled_pairs_give_nearly_the_threshold_of_all():
    every = labelled(classes=100, each=5)
    some = every.thinned(20_000)
    for rule, given_settings in (("eer", {}), ("far", {"far": 1e-3}), ("otsu", {}), ("otsu-balanced", {})):
        whole, part = (calibrate_threshold(p, rule, bootstrap=0, **given_settings).value for p in (every, some))
        assert part == pytest.approx(whole, rel=0.01), rule


def test_of_equal_maxima_the_first_is_taken_whatever_rounding_says():
    rng = np.random.default_rng(0)
    for _ in range(100):
        side = np.sort(rng.random(3))
        around = np.concatenate([5 - side[::-1], [5], 5 + side])  # a cut below 5 is as good as its mirror image
        assert otsu(around, np.ones(7))[0] < 5


def test_a_histogram_of_enough_bins_keeps_the_threshold():
    rng = np.random.default_rng(5)
    counts = given_pairs([], np.concatenate([rng.normal(1, 0.1, 5000), rng.normal(2, 0.1, 5000)])).counts()
    exact, rough = (otsu(c.distances, c.negatives)[0] for c in (counts, binned(counts)))
    assert rough == pytest.approx(exact, abs=0.02) and binned(counts).negatives.sum() == 10_000
    assert len(binned(given_pairs([1.0], [1.0]).counts()).distances) == 1


def test_the_rules_that_are_there():
    assert sorted(THRESHOLDS) == [
        "balanced-accuracy", "cost", "eer", "f-beta", "far", "otsu", "otsu-balanced",
    ]  # fmt: skip
    assert verification(labelled()).eer_threshold == calibrate_threshold(labelled(), bootstrap=0).value
