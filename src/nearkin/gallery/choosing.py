"""Which enrolled images a change is about: named by their ids, their label, or their hashes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, select

from nearkin.core import InputError, suggestion
from nearkin.gallery.changes import chunks
from nearkin.gallery.entries import as_hash
from nearkin.gallery.labels import as_label
from nearkin.gallery.schema import images, labels, memberships


def chosen_images(
    connection: Connection, ids: Iterable[int] | None, label: str | None, hashes: Iterable[str] | None
) -> list[int]:
    """The enrolled images named by exactly one of ids, label and hashes, in order.

    Errors:  InputError for what is not enrolled, and for none or several of the three
    """
    if sum(each is not None for each in (ids, label, hashes)) != 1:
        raise InputError("name the images by one of ids, label and hashes")
    if label is not None:
        return _of_label(connection, as_label(label))
    column, wanted = (images.c.id, ids) if ids is not None else (images.c.hash, hashes)
    asked = list(dict.fromkeys(int(each) if ids is not None else as_hash(each) for each in wanted or ()))
    found: dict[Any, int] = {}
    for part in chunks(asked):
        open_now = select(column, images.c.id).join(memberships).where(memberships.c.closed.is_(None), column.in_(part))
        found.update((row[0], row[1]) for row in connection.execute(open_now))
    missing = [each for each in asked if each not in found]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"no image {missing[0]}{more} is enrolled now (nearkin gallery list); nothing was changed")
    return sorted(found.values())


def _of_label(connection: Connection, label: str) -> list[int]:
    open_now = select(memberships.c.image).join(labels).where(memberships.c.closed.is_(None), labels.c.name == label)
    found = sorted(connection.scalars(open_now))
    if not found:
        raise InputError(unknown_label(connection, label))
    return found


def unknown_label(connection: Connection, label: str) -> str:
    """Words for a label that nothing bears, with the nearest one that is borne."""
    names = connection.scalars(
        select(labels.c.name).where(labels.c.id.in_(select(memberships.c.label).where(memberships.c.closed.is_(None))))
    )
    return f"nothing is enrolled under {label!r}{suggestion(label, names)} (nearkin gallery list)"
