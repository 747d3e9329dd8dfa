"""A model kept: its folder written, with the exported file where it can be made, and told what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from nearkin.core import InputError, MissingExtra
from nearkin.embedding.embedder import Embedder
from nearkin.embedding.model_folder import RECORD, read_model
from nearkin.embedding.parity import Parity


@dataclass(frozen=True)
class Kept:
    """A model folder that was written: `parity` with torch, or the reason why it has no ONNX file."""

    folder: Path
    embedder: Embedder
    parity: Parity | None
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        made = self.embedder
        return {
            "folder": str(self.folder),
            "name": made.name,
            "fingerprint": made.fingerprint,
            "dimension": made.dimension,
            "distance": made.space.as_section(),
            "trained_on": len(made.trained_on),
            "runner": made.runner,
            "onnx_bytes": None if made.model.onnx is None else len(made.model.onnx),
            "parity": None if self.parity is None else self.parity.as_dict(),
            "reason": self.reason or None,
        }


def keep(embedder: Embedder, folder: str | PathLike[str], *, needs_onnx: bool = False) -> Kept:
    """Write the model folder, with an ONNX file where it can be made. A folder that holds all that already is left as it is.

    needs_onnx: an error where it cannot be made (MissingExtra, InputError); else the folder is written without it
    """
    there = _there_already(embedder, Path(folder))
    if there is not None:
        return there
    parity, reason = None, ""
    try:
        embedder, parity = embedder.export()
    except (InputError, MissingExtra) as error:
        if needs_onnx:
            raise
        reason = str(error)
    return Kept(embedder.save(folder), embedder, parity, reason)


def _there_already(embedder: Embedder, folder: Path) -> Kept | None:
    """What was kept earlier, if it is the same model, with its exported file and the words on that."""
    if not (folder / RECORD).is_file():
        return None
    try:
        model = read_model(folder)
        same = (model.fingerprint(), model.trained_on) == (embedder.fingerprint, embedder.trained_on)
        if not same or model.onnx is None or "parity" not in model.origin:
            return None
        return Kept(folder, Embedder(model), Parity.from_dict(model.origin["parity"]))
    except (InputError, MissingExtra):  # damaged, or of another version: it is written again
        return None
