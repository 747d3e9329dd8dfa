"""Families of classes: what stands before the last slash of a class's name, as the alphabet in Greek/character01."""

from __future__ import annotations

from collections.abc import Sequence

from nearkin.core import InputError


def families_of(classes: Sequence[str]) -> list[str]:
    """The family of each class by its name. Errors: InputError where a name has none.

    >>> families_of(["Greek/character01", "Tifinagh/character02"])
    ['Greek', 'Tifinagh']
    """
    families = [name.rpartition("/")[0] for name in classes]
    if "" in families:
        raise InputError(
            f"the class {classes[families.index('')]!r} has no family; a class of one is named family/class, "
            "such as Greek/character01"
        )
    return families
