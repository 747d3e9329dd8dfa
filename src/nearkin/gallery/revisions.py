"""Revisions: every change has a number, and what was open at a number can be asked for or opened again."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, and_, exists, func, insert, literal, select, update

from nearkin.core import InputError, integer
from nearkin.gallery.facts import now
from nearkin.gallery.schema import calibrations, memberships, open_at, revisions


@dataclass(frozen=True)
class Conflict:
    """An image that was not added because it is enrolled under another label."""

    hash: str
    source: str
    label: str
    enrolled_as: str


@dataclass(frozen=True)
class Change:
    """What a change did. Where it changed nothing there is no new revision, and `revision` is the current one.

    added, removed, relabelled:  numbers of images
    unchanged:                   images that already were what was asked for
    conflicts:                   images that were not added; `relabel` is the way
    classes:                     of the images added, those that had no image right before
    """

    revision: int
    added: int = 0
    removed: int = 0
    relabelled: int = 0
    unchanged: int = 0
    conflicts: tuple[Conflict, ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Revision:
    """One line of the history; `enrolled` is the number of images after it."""

    number: int
    time: str
    action: str
    added: int
    removed: int
    relabelled: int
    enrolled: int
    target: int | None
    note: str
    summary: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "summary", _summary(self))


def _summary(revision: Revision) -> str:
    counts = {"added": revision.added, "removed": revision.removed, "relabelled": revision.relabelled}
    parts = [f"{count:,} {what}" for what, count in counts.items() if count]
    if revision.target is not None:
        parts.insert(0, f"back to revision {revision.target}")
    return ", ".join(parts)


def current(connection: Connection) -> int:
    """The number of the last revision."""
    number = connection.scalar(select(func.max(revisions.c.number)))
    return int(number) if number is not None else -1


def last_purge(connection: Connection) -> int:
    """The last revision that erased something from earlier ones; -1 where none did."""
    number = connection.scalar(select(func.max(revisions.c.number)).where(revisions.c.action == "purge"))
    return int(number) if number is not None else -1


def known(connection: Connection, number: int | None) -> int:
    """`number`, or the current revision for None.

    Errors:  InputError for a revision that does not exist yet
    """
    last = current(connection)
    if number is None:
        return last
    if integer("revision", number) > last:
        raise InputError(f"there is no revision {number}; the last one is {last} (nearkin gallery history)")
    return int(number)


def listed(connection: Connection) -> list[Revision]:
    """All revisions, oldest first."""
    return [Revision(**row._mapping) for row in connection.execute(select(revisions).order_by(revisions.c.number))]


def record(
    connection: Connection,
    action: str,
    *,
    added: int = 0,
    removed: int = 0,
    relabelled: int = 0,
    target: int | None = None,
    note: str = "",
) -> None:
    """Write down the revision whose memberships the same transaction opened and closed."""
    last = current(connection)
    enrolled = connection.scalar(select(revisions.c.enrolled).where(revisions.c.number == last)) or 0
    connection.execute(
        insert(revisions).values(
            number=last + 1,
            time=now(),
            action=action,
            added=added,
            removed=removed,
            relabelled=relabelled,
            enrolled=enrolled + added - removed,
            target=target,
            note=note,
        )
    )


def go_back(connection: Connection, target: int, note: str) -> Change:
    """A new revision in which is open what was open at `target`, calibration included.

    What a purge erased since then stays erased.
    """
    target, last = known(connection, target), current(connection)
    then, after = memberships.alias("then"), last + 1
    same = and_(then.c.image == memberships.c.image, then.c.label == memberships.c.label)
    gone = memberships.c.closed.is_(None) & ~exists().where(same, open_at(then, target))
    closed = connection.execute(update(memberships).where(gone).values(closed=after)).rowcount
    here = memberships.alias("here")
    again = select(then.c.image, then.c.label, literal(after)).where(
        open_at(then, target),
        ~exists().where(here.c.image == then.c.image, here.c.label == then.c.label, here.c.closed.is_(None)),
    )
    opened = connection.execute(insert(memberships).from_select(["image", "label", "opened"], again)).rowcount
    moved = _moved(connection, after)
    threshold = _reopen_calibration(connection, target, after)
    if not (opened or closed or threshold):
        return Change(last)
    change = Change(after, added=opened - moved, removed=closed - moved, relabelled=moved)
    record(
        connection,
        "rollback",
        added=change.added,
        removed=change.removed,
        relabelled=change.relabelled,
        target=target,
        note=note,
    )
    return change


def _moved(connection: Connection, number: int) -> int:
    before = memberships.alias("before")
    pairs = select(func.count()).where(
        memberships.c.opened == number, before.c.closed == number, before.c.image == memberships.c.image
    )
    return int(connection.scalar(pairs) or 0)


def _reopen_calibration(connection: Connection, target: int, number: int) -> bool:
    then = connection.scalar(select(calibrations.c.section).where(open_at(calibrations, target)))
    return calibrated(connection, then, number)


def calibrated(connection: Connection, section: str | None, number: int) -> bool:
    """Close the open calibration in revision `number` and open `section`; False where that changes nothing."""
    here = connection.scalar(select(calibrations.c.section).where(calibrations.c.closed.is_(None)))
    if here == section:
        return False
    connection.execute(update(calibrations).where(calibrations.c.closed.is_(None)).values(closed=number))
    if section is not None:
        connection.execute(insert(calibrations).values(section=section, opened=number))
    return True
