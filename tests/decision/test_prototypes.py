"""Class prototypes equal the means written out, and answer as the nearest of them."""

from __future__ import annotations

import numpy as np
import pytest

from nearkin.core import InputError
from nearkin.decision import Space, class_means
from oracles import prototypes as oracle

CODES = np.array([2, 0, 1, 2, 2, 0, 2])


@pytest.mark.parametrize("name", ["euclidean", "cosine", "snr", "squared-euclidean", "inner-product"])
def test_prototypes_equal_the_means_written_out(name):
    rows = np.random.default_rng(0).normal(size=(7, 4))
    if name == "cosine":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = class_means(Space(name), rows, CODES, 3)
    wanted = [oracle.class_mean(rows.tolist(), CODES.tolist(), c, name == "cosine") for c in range(3)]
    np.testing.assert_allclose(found, wanted, rtol=1e-14, atol=1e-15)


def test_a_cosine_prototype_has_length_one_and_opposite_rows_have_none():
    rows = np.array([[1.0, 0], [0, 1], [1, 0], [-1, 0]])
    found = class_means(Space("cosine"), rows, [0, 0, 1, 1], 2)
    np.testing.assert_allclose(found, [[0.5**0.5, 0.5**0.5], [0, 0]], atol=1e-15)


def test_large_numbers_of_float32_rows_are_added_in_float64():
    rows = np.full((20_001, 1), 0.1, dtype=np.float32)
    rows[0] = 2**24
    assert class_means(Space(), rows, np.zeros(20_001, dtype=int), 1)[0, 0] == pytest.approx(
        (2**24 + 20_000 * float(np.float32(0.1))) / 20_001, rel=1e-13
    )


@pytest.mark.parametrize(("codes", "classes"), [([0, 2, 2], 3), ([0, 1, 2], 2)])
def test_a_class_without_rows_is_refused(codes, classes):
    with pytest.raises(InputError, match="each at least once"):
        class_means(Space(), np.eye(3), codes, classes)
