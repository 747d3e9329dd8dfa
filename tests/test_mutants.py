"""The planted mistakes still fit the sources; a sample of them is planted and noticed."""

from __future__ import annotations

import ast
import os
from collections import Counter

import pytest

import mutants


def test_mutants_fit_the_sources_and_are_still_python():
    """Who changes a line writes its mutants anew: one that does not fit is a mistake that nobody plants any more."""
    assert [mutant.title for mutant in mutants.MUTANTS if not mutant.fits] == []
    for mutant in mutants.MUTANTS:
        ast.parse(mutant.mutated())


def test_there_are_mutants_of_every_room_and_no_two_alike():
    rooms = Counter(mutant.file.split("/")[0] for mutant in mutants.MUTANTS)
    assert sum(rooms.values()) - rooms["evaluation"] >= 60
    assert rooms["evaluation"] >= 35
    assert {"losses", "mining", "pairs", "distances", "core"} < set(rooms)
    assert len({(mutant.file, mutant.before, mutant.after) for mutant in mutants.MUTANTS}) == len(mutants.MUTANTS)
    assert sum(bool(mutant.equivalent) for mutant in mutants.MUTANTS) <= 8


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="mutants are tried in forks of one process")
def test_a_planted_mistake_is_noticed_and_the_sources_as_they_are_pass():
    tests = [["tests/losses/test_formulas.py"]]
    with mutants.planted(None) as folder:
        assert mutants.survives(tests, folder)
    (wrong,) = [mutant for mutant in mutants.MUTANTS if mutant.after == "excess = z - self.margin"]
    with mutants.planted(wrong) as folder:
        assert not mutants.survives(tests, folder)
