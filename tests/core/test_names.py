"""A name is found exactly, or the error offers the nearest right one."""

from __future__ import annotations

import pytest

from nearkin.core import InputError, pick, suggestion

TABLE = {"triplet": 1, "n-pair": 2, "contrastive": 3}


def test_a_known_name_gives_its_entry():
    assert pick("loss", TABLE, "n-pair") == 2


@pytest.mark.parametrize(
    ("given", "near"), [("tripet", "triplet"), ("N_PAIR", "n-pair"), ("Triplet", "triplet"), ("npair", "n-pair")]
)
def test_a_misspelt_name_gets_the_nearest(given, near):
    with pytest.raises(InputError) as caught:
        pick("loss", TABLE, given)
    assert str(caught.value) == f"unknown loss {given!r}; did you mean {near!r}? (nearkin list losses)"


@pytest.mark.parametrize("given", ["zzzz", "", 7, None, [["a"]]], ids=repr)
def test_without_a_near_name_all_are_listed(given):
    with pytest.raises(InputError) as caught:
        pick("distance", TABLE, given)
    assert str(caught.value) == (
        f"unknown distance {given!r}; known: contrastive, n-pair, triplet (nearkin list distances)"
    )


def test_the_place_of_the_list_can_be_named():
    with pytest.raises(InputError, match=r"\(see the recipe's head\)$"):
        pick("method", TABLE, "x", where="see the recipe's head")


def test_a_dash_and_an_underscore_are_the_same_when_names_are_compared():
    assert suggestion("x_y_z", ["x_y_w", "x-y-z"]) == "; did you mean 'x-y-z'?"


def test_nothing_near_gives_no_suggestion():
    assert suggestion("qqq", TABLE) == ""
    assert suggestion("anything", []) == ""
