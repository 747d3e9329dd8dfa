"""Adding, removing and relabelling within one transaction: memberships are opened and closed, never edited."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, exists, func, insert, select, update

from nearkin.gallery.entries import Entry, as_hash, checked
from nearkin.gallery.labels import as_label
from nearkin.gallery.revisions import Change, Conflict, current, record
from nearkin.gallery.schema import images, labels, memberships, thumbnails, vectors

T = TypeVar("T")

CHUNK = 500
"""Rows of a statement."""


def add(connection: Connection, entries: Iterable[Entry], dimension: int, note: str) -> Change:
    """Open a membership for every entry whose image is not enrolled.

    The same image under the same label changes nothing; under another label it is a conflict and is not added. An image
    that was enrolled before comes back with the vector that it had.
    """
    after, added, unchanged, conflicts = current(connection) + 1, 0, 0, list[Conflict]()
    ids = _Labels(connection)
    for chunk in chunks(entries):
        held = _held(connection, [as_hash(entry.hash) for entry in chunk if isinstance(entry, Entry)])
        fresh: dict[str, Entry] = {}
        for given in chunk:
            entry = checked(given, dimension)
            first = fresh.get(entry.hash)
            label = first.label if first else held.get(entry.hash)
            if label is None:
                fresh[entry.hash] = entry
            elif label == entry.label:
                unchanged += 1
            else:
                conflicts.append(Conflict(entry.hash, entry.source, entry.label, label))
        _open(connection, fresh, ids, after)
        added += len(fresh)
    if added:
        record(connection, "add", added=added, note=note)
    number = after if added else after - 1
    return Change(number, added=added, unchanged=unchanged, conflicts=tuple(conflicts), classes=ids.unborne_before(after))


def remove(connection: Connection, chosen: Sequence[int], note: str) -> Change:
    """Close the memberships of these images."""
    after = current(connection) + 1
    _close(connection, chosen, after)
    if not chosen:
        return Change(after - 1)
    record(connection, "remove", removed=len(chosen), note=note)
    return Change(after, removed=len(chosen))


def relabel(connection: Connection, chosen: Sequence[int], label: str, note: str) -> Change:
    """Close the memberships of these images and open them under `label`; those that bear it already are left alone."""
    after = current(connection) + 1
    label = as_label(label)
    code = _Labels(connection).codes([label])[label]
    moved = [
        image
        for part in chunks(chosen)
        for image in connection.scalars(
            select(memberships.c.image).where(
                memberships.c.image.in_(part), memberships.c.closed.is_(None), memberships.c.label != code
            )
        )
    ]
    _close(connection, moved, after)
    if moved:
        rows = [{"image": image, "label": code, "opened": after} for image in moved]
        connection.execute(insert(memberships), rows)
        record(connection, "relabel", relabelled=len(moved), note=note)
    return Change(after if moved else after - 1, relabelled=len(moved), unchanged=len(chosen) - len(moved))


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Lists of at most `size` items."""
    source = iter(items)
    while part := list(islice(source, size)):
        yield part


def _held(connection: Connection, hashes: Sequence[str]) -> dict[str, str]:
    open_now = (
        select(images.c.hash, labels.c.name)
        .join(memberships, memberships.c.image == images.c.id)
        .join(labels)
        .where(memberships.c.closed.is_(None), images.c.hash.in_(hashes))
    )
    return {row[0]: row[1] for row in connection.execute(open_now)}


def _open(connection: Connection, fresh: dict[str, Entry], ids: _Labels, after: int) -> None:
    if not fresh:
        return
    known = _ids(connection, fresh)
    new = [entry for entry in fresh.values() if entry.hash not in known]
    if new:
        connection.execute(insert(images), [_image(entry) for entry in new])
        known |= _ids(connection, [entry.hash for entry in new])
        connection.execute(insert(vectors), [{"image": known[entry.hash], **_vector(entry)} for entry in new])
        shown = [{"image": known[entry.hash], "content": entry.thumbnail} for entry in new if entry.thumbnail]
        if shown:
            connection.execute(insert(thumbnails), shown)
    codes = ids.codes(entry.label for entry in fresh.values())
    rows = [{"image": known[key], "label": codes[entry.label], "opened": after} for key, entry in fresh.items()]
    connection.execute(insert(memberships), rows)


def _ids(connection: Connection, hashes: Collection[str]) -> dict[str, int]:
    rows = connection.execute(select(images.c.hash, images.c.id).where(images.c.hash.in_(list(hashes))))
    return {row[0]: row[1] for row in rows}


def _image(entry: Entry) -> dict[str, Any]:
    source = entry.source.encode("utf-8", "backslashreplace").decode()  # file names need not be UTF-8
    return {"hash": entry.hash, "source": source, "width": entry.width, "height": entry.height}


def _vector(entry: Entry) -> dict[str, Any]:
    content = entry.vector.astype("<f4", copy=False).tobytes()
    return {"vector": content, "sum": zlib.crc32(content)}


def _close(connection: Connection, chosen: Sequence[int], after: int) -> None:
    for part in chunks(chosen):
        of_these = memberships.c.image.in_(part) & memberships.c.closed.is_(None)
        connection.execute(update(memberships).where(of_these).values(closed=after))


class _Labels:
    """Ids of labels; those that are new are written."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, int] = {}

    def codes(self, names: Iterable[str]) -> dict[str, int]:
        """The id of every name."""
        wanted = sorted(set(names))
        for part in chunks(name for name in wanted if name not in self._known):
            rows = self._connection.execute(select(labels.c.name, labels.c.id).where(labels.c.name.in_(part)))
            self._known.update((row[0], row[1]) for row in rows)
            self._make([name for name in part if name not in self._known])
        return {name: self._known[name] for name in wanted}

    def unborne_before(self, number: int) -> tuple[str, ...]:
        """Those of the names asked for that no image bore right before this revision, which has closed none; sorted."""
        earlier = exists().where(
            memberships.c.label == labels.c.id, memberships.c.closed.is_(None), memberships.c.opened < number
        )
        found = [
            name
            for part in chunks(self._known.values())
            for name in self._connection.scalars(select(labels.c.name).where(labels.c.id.in_(part), ~earlier))
        ]
        return tuple(sorted(found))

    def _make(self, names: list[str]) -> None:
        if names:
            last = int(self._connection.scalar(select(func.coalesce(func.max(labels.c.id), 0))) or 0)
            made = {name: number for number, name in enumerate(names, last + 1)}
            self._connection.execute(insert(labels), [{"id": number, "name": name} for name, number in made.items()])
            self._known |= made
