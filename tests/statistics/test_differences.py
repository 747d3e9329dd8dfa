"""Paired differences: what must not matter, what is refused, and families of them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearkin.core import InputError, InputTypeError
from nearkin.statistics import Difference, against_baseline, all_pairs, difference, holm
from oracles import two_way

LABELS = np.repeat(np.arange(6), 4)


def table(seed: int, shift: float = 0.0, seeds: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = 0.05 * rng.normal(size=(seeds, 1)) + 0.05 * rng.normal(size=6)[LABELS] + 0.1 * rng.normal(size=(seeds, 24))
    return np.clip(0.5 + shift + noise, 0, 1)


def several(count: int = 5) -> dict[str, np.ndarray]:
    return {f"method {place}": table(place, 0.12 * place) for place in range(count)}


def numbers(found: Difference) -> tuple[float | None, ...]:
    return found.estimate, found.low, found.high, found.p, found.detectable, found.standard_error


few = settings(max_examples=25)
tables, others = st.integers(0, 10_000).map(table), st.integers(10_001, 20_000).map(table)


@few
@given(tables, others)
def test_swapping_the_methods_turns_the_sign(a, b):
    here, there = difference(a, b, LABELS), difference(b, a, LABELS)
    assert here.estimate == pytest.approx(-there.estimate, abs=1e-15)
    assert (here.low, here.high) == pytest.approx((-there.high, -there.low), abs=1e-12)
    assert here.p == pytest.approx(there.p, rel=1e-9)
    assert here.detectable == pytest.approx(there.detectable, rel=1e-9)


@few
@given(tables, others, st.floats(-3, 3))
def test_a_constant_added_to_both_changes_nothing(a, b, constant):
    here = difference(a, b, LABELS, bounds=None)
    there = difference(a + constant, b + constant, LABELS, bounds=None)
    assert numbers(there) == pytest.approx(numbers(here), rel=1e-6, abs=1e-9)


@few
@given(tables, others, st.randoms(use_true_random=False))
def test_the_order_of_seeds_and_queries_does_not_matter(a, b, random):
    seeds, queries = list(range(4)), list(range(24))
    random.shuffle(seeds)
    random.shuffle(queries)
    mixed = difference(a[seeds][:, queries], b[seeds][:, queries], LABELS[queries])
    assert numbers(mixed) == pytest.approx(numbers(difference(a, b, LABELS)), rel=1e-9, abs=1e-14)


@few
@given(tables, others, st.floats(0.1, 10))
def test_scale_goes_through(a, b, factor):
    here = difference(a, b, LABELS, bounds=None)
    there = difference(a * factor, b * factor, LABELS, bounds=None)
    assert there.p == pytest.approx(here.p, rel=1e-6)
    assert there.high == pytest.approx(here.high * factor, rel=1e-9)
    assert there.standardised == pytest.approx(here.standardised, rel=1e-6)


@few
@given(tables, others)
def test_the_interval_at_the_p_value_ends_at_zero(a, b):
    found = difference(a, b, LABELS)
    if 1e-9 < found.p < 0.4:
        at_p = difference(a, b, LABELS, confidence=1 - found.p)
        assert min(abs(at_p.low), abs(at_p.high)) == pytest.approx(0, abs=1e-7)
    assert (found.p <= 0.05) == (not found.low <= 0 <= found.high)


def test_pairing_counts_what_the_methods_share():
    hard = 0.3 * np.random.default_rng(9).normal(size=24)
    a, b = table(1, 0.1), table(2)
    alone = difference(a, b, LABELS, bounds=None)
    together = difference(a + hard, b + hard, LABELS, bounds=None)
    assert together.standard_error == pytest.approx(alone.standard_error)
    crossed = difference(a + hard, b + hard[::-1], LABELS, bounds=None)
    assert crossed.standard_error > 1.2 * alone.standard_error


def test_a_method_against_itself_is_no_difference():
    found = difference(table(0), table(0), LABELS)
    assert (found.estimate, found.low, found.high, found.p, found.claimed) == (0, 0, 0, 1, False)
    assert found.standardised is None
    assert found.detectable is None


def test_a_baseline_without_seeds_may_be_a_vector_or_repeated():
    pixels = table(3)[0]
    as_vector = difference(table(1), pixels, LABELS)
    assert as_vector == difference(table(1), np.tile(pixels, (4, 1)), LABELS)
    assert as_vector.over == "classes and seeds"


def test_one_seed_is_never_claimed():
    a, b = np.ones((1, 24)), np.zeros((1, 24))
    found = difference(a, b + 0.1 * table(0)[:1], LABELS)
    assert (found.p, found.p_adjusted, found.claimed, found.detectable, found.components) == (None,) * 2 + (False, None, None)
    assert "no difference is claimed from one seed" in found.note
    assert found.over == "classes"
    assert found.low is not None
    assert difference(a[0], b[0], LABELS).claimed is False


def test_methods_without_any_seed_are_compared_over_classes():
    rng = np.random.default_rng(0)
    a, b = 0.6 + 0.1 * rng.random(24), 0.4 + 0.1 * rng.random(24)
    found = difference(a, b, LABELS, seedless=True)
    assert found.claimed
    assert found.note == ""
    assert found.over == "classes"
    assert found.p == pytest.approx(difference(np.tile(a, (3, 1)), np.tile(b, (3, 1)), LABELS).p, rel=1e-6)


def test_no_spread_at_all_is_the_sign_test_over_classes():
    found = difference(np.ones((3, 24)), np.zeros((3, 24)), LABELS)
    assert found.p == pytest.approx(2 ** (1 - 6))
    assert (found.low, found.high, found.claimed) == (1, 1, True)
    constant = difference(table(0) / 2 + 0.3, table(0) / 2, LABELS)  # rounding is not spread
    assert constant.p == pytest.approx(2 ** (1 - 6))
    two = difference(np.ones((3, 4)), np.zeros((3, 4)), [0, 0, 1, 1])
    assert (two.p, two.claimed, two.low, two.high) == (0.5, False, -1, 1)
    assert "sign test" in two.note
    unbounded = difference(np.ones((3, 4)), np.zeros((3, 4)), [0, 0, 1, 1], bounds=None)
    assert (unbounded.low, unbounded.high, unbounded.p) == (None, None, 0.5)


def test_a_difference_cannot_leave_its_bounds():
    a, b = np.array([[1.0, 0.2], [0.9, 0.1]]), np.array([[0.0, 0.1], [0.3, 0.0]])
    found = difference(a, b, [0, 1])
    assert (found.low, found.high) == (-1, 1)
    assert difference(a, b, [0, 1], bounds=None).high > 1
    assert difference(a, b, [0, 1], bounds=(-2, 2)).high == pytest.approx(4)


def test_more_comparisons_adjust_p_and_raise_what_is_detectable():
    one, many = (difference(table(1, 0.1), table(2), LABELS, comparisons=k) for k in (1, 14))
    assert many.p_adjusted == pytest.approx(min(1, 14 * one.p))
    assert many.detectable > one.detectable
    assert (many.low, many.high, many.p) == (one.low, one.high, one.p)


@few
@given(st.permutations(list(several())))
def test_the_order_of_methods_does_not_matter(order):
    methods = several()
    here = against_baseline(methods, LABELS, baseline="method 0")
    there = against_baseline({name: methods[name] for name in order}, LABELS, baseline="method 0")
    assert list(there) == [name for name in order if name != "method 0"]
    assert all(there[name] == here[name] for name in here)


def test_a_family_is_its_differences_with_holms_p_values():
    methods = several()
    found = against_baseline(methods, LABELS, baseline="method 2")
    alone = [difference(methods[n], methods["method 2"], LABELS, names=(n, "method 2"), comparisons=4) for n in found]
    adjusted = two_way.holm([one.p for one in alone])
    for one, single, p in zip(found.values(), alone, adjusted):
        assert one == replace(single, p_adjusted=pytest.approx(p), claimed=p <= 0.05)
    assert any(one.claimed for one in found.values())
    assert not all(one.claimed for one in found.values())


def test_pairs_have_bonferronis_intervals_and_agree_with_their_claims():
    methods = several()
    found = all_pairs(methods, LABELS)
    assert list(found)[:2] == [("method 0", "method 1"), ("method 0", "method 2")]
    assert len(found) == 10
    for (a, b), one in found.items():
        wanted = difference(methods[a], methods[b], LABELS, confidence=1 - 0.05 / 10)
        assert (one.low, one.high) == pytest.approx((wanted.low, wanted.high), rel=1e-9)
        assert one.claimed == (not one.low <= 0 <= one.high)
        assert one.confidence == 0.95
    assert {one.claimed for one in found.values()} == {True, False}


def test_numbers_of_runs_make_families_too():
    runs = {name: scores.mean(1) for name, scores in several().items()}
    found = against_baseline(runs, None, baseline="method 0", bounds=None)
    assert {one.over for one in found.values()} == {"seeds"}
    assert found["method 4"].p == pytest.approx(difference(runs["method 4"], runs["method 0"], None).p)
    assert len(all_pairs(runs, None)) == 10


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"b": table(0)[:, :-1]}, "share seeds and queries"),
        ({"b": table(0)[:-1]}, "share seeds and queries"),
        ({"classes": None}, "one number a run"),
        ({"classes": LABELS[:-1]}, "one class a query"),
        ({"names": ("same", "same")}, "different names"),
        ({"comparisons": 0}, "at least 1"),
        ({"power": 1.0}, "power must lie between"),
        ({"confidence": 1.0}, "confidence must lie between"),
        ({"bounds": (1, 0)}, "low < high"),
        ({"b": table(0) + 2}, "outside bounds"),
        ({"over": "images"}, "'queries'"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(change, words):
    given_ = {"a": table(1), "b": table(0), "classes": LABELS} | change
    with pytest.raises(InputError, match=words):
        difference(given_.pop("a"), given_.pop("b"), given_.pop("classes"), **given_)


def test_families_need_their_methods():
    with pytest.raises(InputError, match="did you mean 'method 1'"):
        against_baseline(several(), LABELS, baseline="method1")
    with pytest.raises(InputError, match="at least one more"):
        against_baseline(several(1), LABELS, baseline="method 0")
    with pytest.raises(InputError, match="at least two"):
        all_pairs(several(1), LABELS)
    with pytest.raises(InputTypeError):
        difference("scores", table(0), LABELS)


def test_records_are_json():
    for found in [*against_baseline(several(), LABELS, baseline="method 0").values(), difference(table(0)[:1], table(1)[:1], LABELS)]:
        told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
        assert told["estimate"] == found.estimate
        assert found.components is None or set(told["components"]) == {"seed", "unit", "residual"}


@few
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_equals_its_definition(p):
    assert holm(p) == pytest.approx(two_way.holm(p))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([None, 0.02, None]) == [None, 0.02, None]
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError):
            holm([0.1, wrong])
