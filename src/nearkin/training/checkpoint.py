"""Checkpoints: whole or not at all, checked when read, the previous one kept until the next is written."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from nearkin.core import InputError, write_atomically

LAST, PREVIOUS = "checkpoint.ckpt", "checkpoint-previous.ckpt"
_MAKER, _SCHEMA = b"nearkin checkpoint ", 1


def write_checkpoint(folder: Path, content: dict[str, Any]) -> None:
    """Write `content` (tensors and plain values); what was the last checkpoint becomes the previous one."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    payload = buffer.getvalue()
    head = b"%s%d\n%s\n" % (_MAKER, _SCHEMA, hashlib.sha256(payload).hexdigest().encode())
    if (folder / LAST).exists():
        (folder / LAST).replace(folder / PREVIOUS)
    write_atomically(folder / LAST, head + payload)


def read_checkpoint(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The newest whole checkpoint, or None; and what is to be said about damaged ones."""
    damaged = []
    for name in (LAST, PREVIOUS):
        try:
            content = _read(folder / name)
        except FileNotFoundError:
            continue
        except _Damaged as error:
            damaged.append(f"{name} is damaged ({error})")
            continue
        return content, [f"{words}; went on from {name}, step {content['step']}" for words in damaged]
    return None, [f"{words}; started again from the first step" for words in damaged]


def remove_checkpoints(folder: Path) -> None:
    """Delete both checkpoints and what `remove_beginnings` does."""
    for name in (LAST, PREVIOUS):
        (folder / name).unlink(missing_ok=True)
    remove_beginnings(folder)


def remove_beginnings(folder: Path) -> None:
    """Delete the hidden beginnings of files that a kill has left in a run's folder."""
    for path in folder.glob(".*.part"):
        path.unlink(missing_ok=True)


class _Damaged(Exception):
    """A file that is not what was written."""


def _read(path: Path) -> dict[str, Any]:
    maker, _, rest = path.read_bytes().partition(b"\n")
    if not maker.startswith(_MAKER):
        raise _Damaged("it does not begin as a checkpoint does")
    if maker != b"%s%d" % (_MAKER, _SCHEMA):
        raise InputError(f"{path} has the format {maker.decode(errors='replace')!r}; this version reads {_SCHEMA}")
    digest, _, payload = rest.partition(b"\n")
    if hashlib.sha256(payload).hexdigest().encode() != digest:
        raise _Damaged("its checksum does not fit its content")
    content: dict[str, Any] = torch.load(io.BytesIO(payload), weights_only=True)
    return content
