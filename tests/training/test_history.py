"""Curves are written and read back exactly."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearkin.training.history import COLUMNS, as_columns, read_curves, write_curves

numbers = st.floats(allow_infinity=False, width=64)


@given(st.lists(st.tuples(st.integers(1, 2**40), st.integers(0, 99), *[numbers] * 6), max_size=8))
def test_curves_are_read_back_exactly(tmp_path_factory, rows: list[tuple[float, ...]]) -> None:
    curves = as_columns({name: [row[i] for row in rows] for i, name in enumerate(COLUMNS)})
    path = tmp_path_factory.mktemp("curves") / "curves.csv"
    content = write_curves(path, curves)
    assert path.read_bytes() == content
    again = read_curves(content)
    for name in COLUMNS:
        assert again[name].dtype == curves[name].dtype
        np.testing.assert_array_equal(again[name], curves[name])


def test_the_file_is_for_people_too(tmp_path: Path) -> None:
    values = {"step": [1.0], "epoch": [0.0], "loss": [0.5], "active": [math.nan], "positive": [1.0]}
    rows = {name: values.get(name, [0.25]) for name in COLUMNS}
    write_curves(tmp_path / "curves.csv", as_columns(rows))
    assert (tmp_path / "curves.csv").read_text() == (
        "step,epoch,loss,active,positive,negative,validation,seconds\n1,0,0.5,,1.0,0.25,0.25,0.25\n"
    )


def test_columns_that_a_loss_adds_stand_before_the_time_and_are_read_back(tmp_path: Path) -> None:
    rows = {name: [1.0, 2.0] for name in COLUMNS} | {"segment": [math.nan, 0.5], "J_adv": [0.25, math.nan]}
    content = write_curves(tmp_path / "curves.csv", as_columns(rows))
    assert content.decode().splitlines()[0].endswith(",validation,segment,J_adv,seconds")
    again = read_curves(content)
    assert set(again) == {*COLUMNS, "segment", "J_adv"}
    for name, values in rows.items():
        np.testing.assert_array_equal(again[name], values)


def test_other_columns_are_not_taken_for_curves() -> None:
    with pytest.raises(ValueError, match="columns"):
        read_curves(b"step,loss\n1,2.0\n")
