"""Every check returns what it allows as a plain number, and refuses the rest in words that name the argument."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearkin.core import InputError, InputTypeError, choice, finite, flag, integer, non_negative, positive, within

NUMBER_CHECKS: dict[str, Callable[[object], object]] = {
    "positive": lambda value: positive("margin", value),
    "non_negative": lambda value: non_negative("margin", value),
    "within": lambda value: within("margin", value, 0, 1),
    "integer": lambda value: integer("margin", value),
}


@pytest.mark.parametrize("check", NUMBER_CHECKS.values(), ids=NUMBER_CHECKS)
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, np.float32("nan"), -1, -0.5, -(10**400)], ids=lambda value: repr(value)[:9]
)
def test_what_is_no_number_in_range_is_refused(check, value):
    with pytest.raises(InputError, match="^margin must be"):
        check(value)


@pytest.mark.parametrize("check", NUMBER_CHECKS.values(), ids=NUMBER_CHECKS)
@pytest.mark.parametrize("value", ["1", None, True, np.True_, 1j, [1], np.ones(1)], ids=repr)
def test_what_is_no_number_at_all_is_a_type_error_too(check, value):
    with pytest.raises(InputTypeError, match="^margin must be") as caught:
        check(value)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("value", [math.nan, -math.inf, 10**400, "1", True, None], ids=lambda value: repr(value)[:9])
def test_any_number_must_be_finite_and_a_number(value):
    with pytest.raises(InputError, match="^margin must be a "):
        finite("margin", value)


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.int64(1)], ids=repr)
def test_numbers_of_numpy_become_plain_ones(value):
    assert type(positive("margin", value)) is float
    assert type(non_negative("margin", value)) is float
    assert type(within("margin", value, 0, 2)) is float


@pytest.mark.parametrize("check", [positive, non_negative, lambda name, value: within(name, value, 0, 1)])
def test_a_whole_number_beyond_every_float_is_refused_in_words(check):
    with pytest.raises(InputError, match="margin must be a number .* too large"):
        check("margin", 10**400)


def test_the_edges_belong_where_the_words_say():
    with pytest.raises(InputError, match="above 0, got 0"):
        positive("temperature", 0)
    assert non_negative("margin", 0) == 0
    assert finite("margin", -2) == -2
    assert within("share", 0, 0, 1) == 0
    assert within("share", 1, 0, 1) == 1
    with pytest.raises(InputError, match="share must be a number from 0 to 1, got 1.0000001"):
        within("share", 1.0000001, 0, 1)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_positive_is_exactly_the_finite_numbers_above_zero(value):
    if math.isfinite(value) and value > 0:
        assert positive("x", value) == value
    else:
        with pytest.raises(InputError):
            positive("x", value)


def test_whole_numbers_keep_their_minimum():
    assert integer("steps", np.int32(3), minimum=3) == 3
    assert type(integer("steps", np.int32(3))) is int
    with pytest.raises(InputError, match="steps must be a whole number of at least 3, got 2"):
        integer("steps", 2, minimum=3)
    with pytest.raises(InputTypeError, match="whole number, got 2.0"):
        integer("steps", 2.0)


@pytest.mark.parametrize("value", [0, 1, "true", None, np.True_], ids=repr)
def test_only_true_and_false_are_flags(value):
    assert flag("squared", True) is True
    assert flag("squared", False) is False
    with pytest.raises(InputTypeError, match="squared must be true or false"):
        flag("squared", value)


def test_a_choice_names_what_is_allowed_and_what_is_near():
    assert choice("reduction", "mean", ["mean", "sum"]) == "mean"
    with pytest.raises(InputError, match="reduction must be one of 'mean', 'sum', got 'meen'; did you mean 'mean'"):
        choice("reduction", "meen", ["mean", "sum"])
    with pytest.raises(InputError, match="got 3$"):
        choice("reduction", 3, ["mean", "sum"])
