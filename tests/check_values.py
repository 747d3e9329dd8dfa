"""Check values from a file that NEARKIN_VECTORS names: formula, inputs and what must come out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest


def entries(formula: str) -> list[Any]:
    """The entries of a formula as parameters of a test; a single skipped one where there is no file."""
    place = os.environ.get("NEARKIN_VECTORS")
    if not place:
        return [pytest.param(None, marks=pytest.mark.skip(reason="needs check values: set NEARKIN_VECTORS"))]
    path = Path(place)
    found = json.loads((path / "vectors.json" if path.is_dir() else path).read_text())["entries"]
    return [pytest.param(entry, id=entry["key"]) for entry in found if entry["id"] == formula]
