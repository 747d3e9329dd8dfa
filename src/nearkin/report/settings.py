"""Settings of the methods as texts: what all trained methods share is said once, then what is special to each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nearkin.report.study import Method


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted names and texts.

    >>> flat({"loss": {"margin": 0.2}, "l2": None, "sizes": [32, 64]})
    {'loss.margin': '0.2', 'l2': 'none', 'sizes': '32, 64'}
    """
    found: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = _text(value)
    return found


def _text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    return json.dumps(value)


def shared_and_own(methods: Sequence[Method]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Settings that every trained method has with the same value, and for each method the rest of its settings."""
    texts = {method.name: flat(method.settings) for method in methods}
    trained = [texts[method.name] for method in methods if method.kind == "trained"]
    shared = {
        name: value
        for name, value in (trained[0] if len(trained) > 1 else {}).items()
        if all(each.get(name) == value for each in trained)
    }
    own = {
        method: {name: value for name, value in mine.items() if shared.get(name) != value}
        for method, mine in texts.items()
    }
    return shared, own
