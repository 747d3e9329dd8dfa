"""What never changes about a gallery: `gallery.json`, for people, and the same in its database, to tell copies mixed up."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nearkin.core import InputError, write_json
from nearkin.gallery.connecting import DamagedGallery

FILE = "gallery.json"
FORMAT = 1


@dataclass(frozen=True)
class Facts:
    """gallery: a name drawn at random when it was made; fingerprint: of the model; space: `Space.as_section()`."""

    gallery: str
    dimension: int
    fingerprint: str
    space: Mapping[str, Any]
    created: str


def new_facts(dimension: int, fingerprint: str, space: Mapping[str, Any]) -> Facts:
    """Facts of a gallery that is about to be made."""
    return Facts(secrets.token_hex(16), dimension, fingerprint, dict(space), now())


def now() -> str:
    """This moment in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_facts(folder: Path, facts: Facts) -> None:
    """Write `gallery.json`; a folder that has it is a gallery."""
    write_json(folder / FILE, {"format": FORMAT, **asdict(facts)})


def read_facts(folder: Path) -> Facts:
    """Read `gallery.json`.

    Errors:  InputError where the folder is no gallery; DamagedGallery where it is one that lacks it or whose is unreadable
    """
    path = folder / FILE
    if not folder.is_dir():
        raise InputError(f"there is no gallery in {folder}: no such folder; nearkin gallery create makes one")
    try:
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict):
            raise ValueError("it is not a JSON object")
        version = found.pop("format", None)
        if isinstance(version, int) and version > FORMAT:
            raise InputError(
                f"{path} has format {version}, this version of nearkin reads up to {FORMAT}; use a newer nearkin"
            )
        if differ := {each.name for each in fields(Facts)} ^ set(found):
            raise ValueError(f"its entries are not those of a gallery, see {min(differ)!r}")
        facts = Facts(**found)
        if not (isinstance(facts.dimension, int) and facts.dimension > 0 and isinstance(facts.space, dict)):
            raise ValueError("its dimension or space is none")
    except FileNotFoundError:
        if (folder / "gallery.db").exists():
            raise DamagedGallery(
                f"{folder} holds a gallery.db but no {FILE}: it was not made to the end, or the file was lost; "
                "put back a copy, or delete the folder if nothing was enrolled"
            ) from None
        raise InputError(f"{folder} is not a gallery: it has no {FILE}; nearkin gallery create makes one") from None
    except InputError:
        raise
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedGallery(f"{path} is damaged ({error}); put back a copy of the gallery") from None
    return facts


def facts_as_text(facts: Facts) -> str:
    """One line of JSON for the database."""
    return json.dumps(asdict(facts), sort_keys=True, ensure_ascii=False)


def facts_from_text(text: str) -> Facts:
    """What `facts_as_text` wrote."""
    return Facts(**json.loads(text))
