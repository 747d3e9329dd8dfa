"""Near pairs both ways: one by one, and as a crowd that float64 products make."""

from __future__ import annotations

import pytest

from nearkin.distances import crowds


@pytest.fixture(params=[1.0, 0.0], ids=["pairs", "crowd"])
def near_pairs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowds, "SHARE", request.param)
    monkeypatch.setattr(crowds, "FEW", 0)
