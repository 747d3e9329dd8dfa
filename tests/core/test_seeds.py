"""Streams derived from one seed repeat, differ by name, and fit every generator."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nearkin.core import derived_seed

NAMES = st.lists(st.one_of(st.text(max_size=5), st.integers(0, 99)), max_size=3)


@given(st.integers(0, 2**64), NAMES, NAMES)
def test_a_stream_is_its_seed_and_names_and_nothing_else(seed, one, other):
    assert derived_seed(seed, *one) == derived_seed(seed, *one)
    same = [str(name) for name in one] == [str(name) for name in other]
    assert (derived_seed(seed, *one) == derived_seed(seed, *other)) == same
    assert derived_seed(seed, *one) != derived_seed(seed + 1, *one)


@given(st.integers(), NAMES)
def test_a_derived_seed_fits_every_generator(seed, names):
    assert 0 <= derived_seed(seed, *names) < 2**63


def test_a_name_is_not_cut_in_two():
    assert derived_seed(0, "a", "b") != derived_seed(0, "a/b") != derived_seed(0, "ab")


def test_another_process_derives_the_same_seed():
    code = "from nearkin.core import derived_seed; print(derived_seed(7, 'batches', 3))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == derived_seed(7, "batches", 3)


def test_neighbouring_seeds_give_unrelated_streams():
    draws = np.array([np.random.default_rng(derived_seed(seed, "x")).normal(size=200) for seed in range(20)])
    correlation = np.corrcoef(draws)[~np.eye(20, dtype=bool)]
    assert np.abs(correlation).max() < 0.4
