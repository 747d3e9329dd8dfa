"""A model as a folder of plain files, checked when it is read: a damaged, foreign or newer one is refused with the reason.

    model.json           what it is: input, distance, network, fingerprint, origin, SHA-256 of the other files
    weights.safetensors  the tensors of network and distance, for torch; absent for the descriptor
    model.onnx           images (B, C, H, W) in [0, 1] -> projected embeddings (B, D), for onnxruntime; may be absent
    trained-on.txt       SHA-256 of every image that training or model selection has seen, sorted, one a line
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nearkin.core import InputError, content_hash, write_atomically, write_json

SCHEMA = 1
MAKER = "nearkin"
RECORD, WEIGHTS, ONNX, TRAINED_ON = "model.json", "weights.safetensors", "model.onnx", "trained-on.txt"
DESCRIPTOR, NETWORK = "descriptor", "network"


@dataclass(frozen=True, kw_only=True)
class Model:
    """The content of a model folder.

    Fields
    ------
    name : what people call it.
    kind : "descriptor" or "network".
    input : `Preprocessing.as_section()`.
    dimension : numbers of an embedding.
    space : `Space.as_section()`, the distance of embeddings.
    network : what builds the network and its distance again; for the descriptor its version.
    origin : where it comes from: data, recipe, licence notes. Not in the fingerprint.
    weights, onnx : the files' bytes, or None.
    trained_on : hashes of the images it has seen (`nearkin.data.opening.image_hash`).
    """

    name: str
    kind: str
    input: Mapping[str, Any]
    dimension: int
    space: Mapping[str, Any]
    network: Mapping[str, Any]
    origin: Mapping[str, Any] = field(default_factory=dict)
    weights: bytes | None = field(default=None, repr=False)
    onnx: bytes | None = field(default=None, repr=False)
    trained_on: frozenset[str] = field(default=frozenset(), repr=False)

    def configuration(self) -> dict[str, Any]:
        """What, with the weights, decides every embedding: plain values, fit for JSON."""
        parts = ("kind", "input", "dimension", "space", "network")
        configuration: dict[str, Any] = json.loads(json.dumps({part: getattr(self, part) for part in parts}, default=dict))
        return configuration

    def fingerprint(self) -> str:
        """SHA-256 over configuration and weights: equal models, equal fingerprint, whatever they are called."""
        return content_hash("nearkin model", _canonical(self.configuration()), self.weights or b"")


def write_model(model: Model, folder: Path) -> Path:
    """Write the folder, `model.json` last. Errors: InputError where `folder` has other files in it."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RECORD).is_file():
        raise InputError(f"{folder} has other files in it and is no model folder; give another folder")
    (folder / RECORD).unlink(missing_ok=True)
    contents = {WEIGHTS: model.weights, ONNX: model.onnx, TRAINED_ON: _lines(model.trained_on)}
    for name, content in contents.items():
        if content is None:
            (folder / name).unlink(missing_ok=True)
        else:
            write_atomically(folder / name, content)
    record = {
        "schema": SCHEMA,
        "maker": MAKER,
        "name": model.name,
        "fingerprint": model.fingerprint(),
        **model.configuration(),
        "origin": dict(model.origin),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items() if content is not None},
    }
    write_json(folder / RECORD, {**record, "checksum": content_hash(_canonical(record))})
    return folder


def read_model(folder: Path) -> Model:
    """The model in `folder`, every file checked. Errors: InputError with the reason for anything that is not as written."""
    record = _record(folder)
    files = {name: _checked(folder, name, digest) for name, digest in record["files"].items()}
    model = Model(
        **{part: record[part] for part in ("name", "kind", "input", "dimension", "space", "network", "origin")},
        weights=files.get(WEIGHTS),
        onnx=files.get(ONNX),
        trained_on=frozenset(files.get(TRAINED_ON, b"").decode("ascii").split()),
    )
    if model.fingerprint() != record["fingerprint"]:
        raise InputError(f"{folder / RECORD} is damaged: its fingerprint is not that of what it describes")
    return model


def _record(folder: Path) -> dict[str, Any]:
    path = folder / RECORD
    try:
        record: Any = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder} is no model folder: it has no {RECORD}{_advice(folder)}") from None
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); take the model from where it came from again") from None
    if not isinstance(record, dict) or record.get("maker") != MAKER or "schema" not in record:
        raise InputError(f"{path} was not written by nearkin, so {folder} is no model folder of its kind")
    if record["schema"] != SCHEMA:
        raise InputError(
            f"{path} has the schema {record['schema']!r} and this version of nearkin reads {SCHEMA}; install a newer nearkin"
        )
    checksum = record.pop("checksum", None)
    if checksum != content_hash(_canonical(record)):
        raise InputError(f"{path} is damaged or was changed by hand: its checksum does not fit its content")
    return record


def _checked(folder: Path, name: str, digest: str) -> bytes:
    try:
        content = (folder / name).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{folder} is not whole: {name} is missing, which its {RECORD} names") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise InputError(f"{folder / name} is damaged: its SHA-256 is not the one that {RECORD} has")
    return content


def _advice(folder: Path) -> str:
    if not folder.exists():
        return ", and is not there at all"
    if (folder / "study.json").is_file() or (folder / "run.json").is_file():
        return f"; make one of this run with: nearkin export {folder}"
    return ""


def _lines(hashes: frozenset[str]) -> bytes:
    return "".join(f"{each}\n" for each in sorted(hashes)).encode("ascii")


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
