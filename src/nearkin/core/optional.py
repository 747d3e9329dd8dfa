"""Optional packages: imported where they are used, through one function that names the extra to install."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


class MissingExtra(ImportError):
    """A package of an optional extra is not installed."""


def need(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import `module`, or say which extra brings it; a package that is installed but broken shows its own fault."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise MissingExtra(
            f"{purpose} needs {module.partition('.')[0]!r}, which is not installed; install the extra: pip install 'nearkin[{extra}]'"
        ) from None
