"""The files of a finished run: `network.safetensors`, `loss.safetensors`, `curves.csv`, and `training.json`, written last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nearkin.core import InputError, content_hash, need, write_atomically, write_json
from nearkin.networks import Network
from nearkin.training.history import History, read_curves, write_curves
from nearkin.training.identity import Identity, refuse_another, weights_hash

NETWORK, LOSS, CURVES, RECORD = "network.safetensors", "loss.safetensors", "curves.csv", "training.json"
SCHEMA = 1


def write_outcome(folder: Path, network: nn.Module, loss: nn.Module, history: History, identity: Identity) -> None:
    """Write everything; `training.json` comes last and has the checksums of the others."""
    written = {NETWORK: _write_weights(folder / NETWORK, network.state_dict())}
    if loss.state_dict():
        written[LOSS] = _write_weights(folder / LOSS, loss.state_dict())
    written[CURVES] = write_curves(folder / CURVES, history.curves)
    record = {
        "schema": SCHEMA,
        "identity": identity,
        "architecture": network.configuration() if isinstance(network, Network) else None,
        "best_step": history.best_step,
        "best_validation": history.best_validation,
        "stopped": history.stopped,
        "notes": list(history.notes),
        "seconds": history.seconds,
        "shares": dict(history.shares),
        **({} if history.unfrozen_at is None else {"unfrozen_at": history.unfrozen_at}),
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in written.items()},
    }
    write_json(folder / RECORD, {**record, "checksum": _checksum(record)})


def read_outcome(
    folder: Path, network: nn.Module, loss: nn.Module, identity: Identity
) -> tuple[History | None, list[str]]:
    """The history of the run in `folder`, its weights loaded into network and loss; or None, and what is damaged."""
    try:
        content = (folder / RECORD).read_bytes()
    except FileNotFoundError:
        return None, []
    try:
        record = json.loads(content)
        schema, checksum = record["schema"], record.pop("checksum", None)
    except (ValueError, KeyError, TypeError):
        return None, [f"{RECORD} is damaged (it is no record); the run was trained again"]
    if schema != SCHEMA:
        raise InputError(f"{folder / RECORD} has the schema {schema!r}; this version reads {SCHEMA}")
    if checksum != _checksum(record):
        return None, [f"{RECORD} is damaged (its checksum does not fit its content); the run was trained again"]
    try:
        contents = {name: _checked(folder / name, digest) for name, digest in record["sha256"].items()}
    except (OSError, ValueError) as error:
        return None, [f"{error}; the run was trained again"]
    weights, own = _tensors(contents[NETWORK]), _tensors(contents[LOSS]) if LOSS in contents else {}
    refuse_another(folder, record["identity"], identity, weights_hash(weights, own))
    network.load_state_dict(weights)
    loss.load_state_dict(own)
    history = History(
        curves=read_curves(contents[CURVES]),
        best_step=record["best_step"],
        best_validation=record["best_validation"],
        stopped=record["stopped"],
        notes=tuple(record["notes"]),
        seconds=record["seconds"],
        shares=record.get("shares", {}),
        unfrozen_at=record.get("unfrozen_at"),
    )
    return history, []


def _write_weights(path: Path, state: Mapping[str, Any]) -> bytes:
    safetensors = need("safetensors.torch", extra="train", purpose="saving weights")
    content: bytes = safetensors.save(
        {
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, value in state.items()
            if isinstance(value, Tensor)
        }
    )
    write_atomically(path, content)
    return content


def _tensors(content: bytes) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = need("safetensors.torch", extra="train", purpose="loading weights").load(content)
    return tensors


def _checksum(record: Mapping[str, Any]) -> str:
    return content_hash(json.dumps(record, sort_keys=True))


def _checked(path: Path, digest: str) -> bytes:
    if not path.exists():
        raise ValueError(f"{path.name} is missing")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"{path.name} is damaged (its checksum does not fit its content)")
    return content
