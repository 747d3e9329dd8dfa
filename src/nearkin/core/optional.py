"""Optional packages: imported where they are used, through one function that names the extra to install."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


class MissingExtra(ImportError):
    """A package of an optional extra is not installed."""


def need(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import and return `module`, or say which extra brings it.

    Raises MissingExtra where its package is not installed. A package that is installed but broken shows its own fault,
    because installing it again would not help.

    >>> need("no_such_package", extra="train", purpose="training")  # doctest: +NORMALIZE_WHITESPACE
    Traceback (most recent call last):
    nearkin.core.optional.MissingExtra: training needs 'no_such_package', which is not installed;
        install it with: pip install 'nearkin[train]'
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise MissingExtra(
            f"{purpose} needs {package!r}, which is not installed; install it with: pip install 'nearkin[{extra}]'"
        ) from None
