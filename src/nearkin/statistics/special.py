"""scipy's special functions, imported when one is first needed: what answers from a gallery does without scipy."""

from __future__ import annotations

from types import ModuleType

from nearkin.core import need


def special() -> ModuleType:
    """`scipy.special`. Errors: MissingExtra where scipy is not installed."""
    return need("scipy.special", extra="report", purpose="intervals and tests")
