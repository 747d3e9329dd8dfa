"""`nearkin data` and `nearkin doctor` say where things are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.commands import nearkin, refused
from nearkin.core import vision


def test_data_says_where_each_set_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARKIN_DATA", str(tmp_path))
    sets = json.loads(nearkin("data", "--json").stdout)
    assert sets["digits"]["here"]
    assert not sets["mnist"]["here"]
    assert str(tmp_path / "mnist") in sets["mnist"]["looked_for"]
    said = nearkin("data").stdout
    assert "nearkin data fetch mnist" in said
    assert str(tmp_path / "mnist") in said


def test_a_set_without_an_address_is_not_fetched() -> None:
    assert "cannot be fetched" in refused("data", "fetch", "faces")
    assert "did you mean 'mnist'" in refused("data", "fetch", "mnits")


def test_doctor_knows_versions_builds_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARKIN_DATA", str(tmp_path))
    facts = json.loads(nearkin("doctor", "--json").stdout)
    assert facts["packages"]["numpy"][0].isdigit()
    assert facts["torch"]["build"]
    assert str(tmp_path) in facts["data"]["looked for in"]
    assert all("different builds" in fault for fault in facts["faults"])  # the one fault a test machine may have
    assert "extra train" in nearkin("doctor").stdout
    assert "extra backbones" in nearkin("doctor").stdout


def test_doctor_compares_the_builds_of_torch_and_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"torch": "2.13.0+cpu", "torchvision": "0.28.0+cpu"}
    monkeypatch.setattr(vision, "_version_with_tag", found.get)
    facts = json.loads(nearkin("doctor", "--json").stdout)
    assert facts["builds"] == found
    assert facts["faults"] == []
    found["torchvision"] = "0.28.0+cu130"
    said = nearkin("doctor").stdout
    assert "0.28.0+cu130" in said
    assert "! torchvision 0.28.0+cu130 and torch 2.13.0+cpu are of different builds; install a matching pair" in said


def test_caches_are_told_and_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kept = tmp_path / "nearkin" / "pixels" / "abc" / "pixels.1"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"x" * 2_500_000)
    caches = json.loads(nearkin("doctor", "--json").stdout)["caches"]
    assert {name: facts["bytes"] for name, facts in caches.items()} == {"pixels": 2_500_000, "features": 0}
    for command in ("doctor", "data"):
        said = nearkin(command).stdout
        assert f"2.5 MB in {tmp_path / 'nearkin' / 'pixels'}" in said
        assert "nearkin data clear-caches" in said
    said = refused("data", "clear-caches", "pixls")
    assert "did you mean 'pixels'" in said and "(nearkin data)" in said
    assert "features: nothing removed" in nearkin("data", "clear-caches", "features").stdout
    assert kept.exists()
    assert "pixels: 2.5 MB removed" in nearkin("data", "clear-caches").stdout
    assert not kept.parent.exists()
