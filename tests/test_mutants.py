"""The planted mistakes still fit the sources; a sample of them is planted and noticed."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

import mutants


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.title)
def test_every_mutant_applies_and_is_still_python(mutant):
    ast.parse(mutant.mutated())
    assert mutant.before != mutant.after


def test_there_are_mutants_of_every_room_and_no_two_alike():
    rooms = Counter(mutant.file.split("/")[0] for mutant in mutants.MUTANTS)
    assert sum(rooms.values()) - rooms["evaluation"] >= 60
    assert rooms["evaluation"] >= 40
    assert {"losses", "mining", "pairs", "distances", "core"} < set(rooms)
    assert len({(mutant.file, mutant.before, mutant.after) for mutant in mutants.MUTANTS}) == len(mutants.MUTANTS)
    assert sum(bool(mutant.equivalent) for mutant in mutants.MUTANTS) <= 5
