"""The versions that a result depends on."""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata

PACKAGES = ("nearkin", "numpy", "scipy", "torch", "scikit-learn", "pillow")


@cache
def versions() -> dict[str, str]:
    """Python and every package that a number may depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
