"""A run of a study: one method under one protocol with one seed, or one trial of its settings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nearkin.comparison.recipe import Method
from nearkin.core import InputError

RECORD = "run.json"


@dataclass(frozen=True, kw_only=True)
class Run:
    """What is to be made and where; it is finished when `run.json` stands in its folder."""

    folder: Path
    method: Method
    protocol: str
    seed: int
    fingerprint: str
    trial: int | None = None

    @property
    def key(self) -> str:
        """16 hexadecimal digits over all that defines the run."""
        return self.folder.name

    @property
    def name(self) -> str:
        """What people call it."""
        what = f"seed {self.seed}" if self.trial is None else f"trial {self.trial}"
        return f"{self.method.name}, {self.protocol}, {what}"

    def record(self) -> dict[str, Any] | None:
        """What `run.json` says, or None while the run is not finished. Errors: InputError where it is damaged."""
        try:
            record: dict[str, Any] = json.loads((self.folder / RECORD).read_text("utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise InputError(
                f"{self.folder / RECORD} is damaged ({error}); delete {self.folder}, and the same command makes the run again"
            ) from None
        return record
