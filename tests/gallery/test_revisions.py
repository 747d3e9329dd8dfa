"""Any sequence of changes leaves what a plain dictionary of every revision says, now and at every earlier revision."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gallery.made import entry, expected, held, image_hash, store_in, vector
from nearkin.core import InputError
from nearkin.gallery import Store

LABELS = st.sampled_from(["cat", "dog", "猫", "O'Brien"])
NUMBERS = st.integers(0, 7)


class History(RuleBasedStateMachine):
    """`states[n]` is ({number of image: label}, calibration) after revision n; `last` is the label an image bore last."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = store_in(self.folder / "g")
        self.states, self.last, self.purged_at, self.steps = [({}, None)], {}, -1, 0

    def teardown(self):
        shutil.rmtree(self.folder)

    def now(self):
        return dict(self.states[-1][0]), self.states[-1][1]

    def becomes(self, held_now, calibration, change):
        self.steps += 1
        if (held_now, calibration) != self.states[-1]:
            self.states.append((held_now, calibration))
            self.last |= held_now
        assert change.revision == len(self.states) - 1

    @rule(batch=st.lists(st.tuples(NUMBERS, LABELS), max_size=6))
    def add(self, batch):
        now, calibration = self.now()
        change = self.store.add([entry(number, label) for number, label in batch])
        conflicts = 0
        for number, label in batch:
            conflicts += now.setdefault(number, label) != label
        assert len(change.conflicts) == conflicts
        assert change.added == len(now) - len(self.states[-1][0])
        assert change.added + change.unchanged + conflicts == len(batch)
        self.becomes(now, calibration, change)

    @precondition(lambda self: self.states[-1][0])
    @rule(data=st.data())
    def remove(self, data):
        now, calibration = self.now()
        chosen = data.draw(st.lists(st.sampled_from(sorted(now)), min_size=1, unique=True))
        change = self.store.remove(hashes=[image_hash(number) for number in chosen])
        assert change.removed == len(chosen)
        self.becomes({number: label for number, label in now.items() if number not in chosen}, calibration, change)

    @precondition(lambda self: self.states[-1][0])
    @rule(data=st.data(), to=LABELS)
    def relabel(self, data, to):
        now, calibration = self.now()
        label = data.draw(st.sampled_from(sorted(set(now.values()))))
        moved = {number for number, each in now.items() if each == label}
        change = self.store.relabel(label=label, to=to)
        assert change.relabelled == (len(moved) if label != to else 0)
        self.becomes({number: to if number in moved else each for number, each in now.items()}, calibration, change)

    @rule(threshold=st.sampled_from([None, 0.25, 0.5]))
    def calibrate(self, threshold):
        section = None if threshold is None else {"threshold": threshold}
        self.becomes(self.now()[0], section, self.store.calibrate(section))

    @rule(data=st.data())
    def rollback(self, data):
        target = data.draw(st.integers(0, len(self.states) - 1))
        now, (then, calibration) = self.now()[0], self.states[target]
        change = self.store.rollback(target)
        assert change.added == len(then.keys() - now.keys())
        assert change.removed == len(now.keys() - then.keys())
        assert change.relabelled == sum(now[number] != then[number] for number in now.keys() & then.keys())
        self.becomes(dict(then), calibration, change)

    @precondition(lambda self: self.last)
    @rule(data=st.data())
    def purge_label(self, data):
        label = data.draw(
            st.sampled_from(sorted({each for state, _ in self.states for each in state.values()} or {""}))
        )
        if label:
            gone = {number for number, each in self.last.items() if each == label}
            self.store.purge(label=label)
            self.erased(gone, label)

    @precondition(lambda self: self.last)
    @rule(data=st.data())
    def purge_image(self, data):
        number = data.draw(st.sampled_from(sorted(self.last)))
        self.store.purge(hash=image_hash(number))
        self.erased({number}, None)

    def erased(self, gone, label):
        for state, _ in self.states:
            for number in [each for each, name in state.items() if each in gone or name == label]:
                del state[number]
        self.last = {number: name for number, name in self.last.items() if number not in gone}
        self.states.append(self.now())
        assert self.store.revision() == len(self.states) - 1

    @invariant()
    def agrees(self):
        for number in {0, len(self.states) // 2, len(self.states) - 1}:
            labels, calibration = self.states[number]
            assert held(self.store, number) == expected(labels)
            assert self.store.calibration(number) == calibration
            now = self.store.snapshot(number)
            by_hash = {image_hash(each): vector(each) for each in labels}
            for row, each in zip(now.rows, self.store.details(now.enrolled.ids.tolist()), strict=True):
                np.testing.assert_array_equal(row, by_hash[each.hash])

    @invariant()
    def adds_up(self):
        if self.steps % 4 == 0:
            assert self.store.check() == []
            assert held(Store.open(self.folder / "g")) == expected(self.states[-1][0])


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=12, stateful_step_count=15, deadline=None)


def test_a_rollback_is_a_new_revision_and_can_be_rolled_back(tmp_path):
    store = store_in(tmp_path / "g", {1: "cat", 2: "dog"})
    store.relabel([1], "dog")
    store.remove([2])
    back = store.rollback(1, note="oops")
    assert (back.revision, back.added, back.removed, back.relabelled) == (4, 1, 0, 1)
    assert held(store) == held(store, 1) == expected({1: "cat", 2: "dog"})
    assert store.history()[-1].summary == "back to revision 1, 1 added, 1 relabelled"
    assert (store.history()[-1].note, store.history()[-1].target) == ("oops", 1)
    store.rollback(3)
    assert held(store) == held(store, 3) == expected({1: "dog"})
    assert store.rollback(5).revision == 5  # it is as it was: nothing changes


def test_a_revision_that_does_not_exist_is_refused(tmp_path):
    store = store_in(tmp_path / "g", {1: "cat"})
    for ask in (store.rollback, store.enrolled, store.calibration, store.vectors):
        with pytest.raises(InputError, match="there is no revision 2; the last one is 1"):
            ask(2)
        with pytest.raises(InputError, match="at least 0"):
            ask(-1)
