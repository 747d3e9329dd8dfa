"""Recipes are read as a person means them, and written so that they are read back the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearkin.comparison.yaml_text import parse_yaml, read_yaml, to_yaml
from nearkin.core import InputError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        (".5", 0.5),
        ("-2", -2),
        ("+.inf", float("inf")),
        ("no", "no"),
        ("on", "on"),
        ("007", "007"),
        ("012", "012"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2001-01-01", "2001-01-01"),
        ("true", True),
        ("null", None),
        ("", None),
        ("=1+1", "=1+1"),
    ],
)
def test_a_scalar_is_what_yaml_1_2_says(text: str, value: object) -> None:
    assert parse_yaml(f"key: {text}") == {"key": value}
    assert type(parse_yaml(f"key: {text}")["key"]) is type(value)


def test_a_key_given_twice_is_an_error_with_both_lines() -> None:
    with pytest.raises(InputError, match=r"line 3: the key 'a' was already given in line 1"):
        parse_yaml("a: 1\nb: 2\na: 3")


@pytest.mark.parametrize("text", ["a: [1", "a: *b", "? [1]\n: 2", "a: !!python/object:os.system x", "\ta: 1"])
def test_what_is_not_plain_yaml_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(InputError, match="line 1"):
        parse_yaml(text)


def test_a_file_that_is_no_text_is_named(tmp_path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="x.yaml is not text"):
        read_yaml(tmp_path / "x.yaml")


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8"))
values = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=1), inner), max_leaves=8)


@given(values)
def test_what_is_written_is_read_back_the_same(value: object) -> None:
    assert parse_yaml(to_yaml({"key": value})) == {"key": value}


@pytest.mark.parametrize("text", ["1e-3", "no", "007", ".5", "true", "~", "12:30", "0o7", "=", "2001-01-01", "<<"])
def test_text_that_looks_like_something_else_stays_text(text: str) -> None:
    assert parse_yaml(to_yaml({"key": text})) == {"key": text}
