"""Who computes a model's embeddings: the descriptor's formula, onnxruntime, or torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, MissingExtra, choice, need
from nearkin.decision.links import Space
from nearkin.embedding.descriptor import DIMENSION, SIDE, describe
from nearkin.embedding.model_folder import DESCRIPTOR, NETWORK, Model
from nearkin.embedding.preprocessing import Preprocessing

RUNNERS = ("auto", "onnx", "torch")

DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg", "C:/Windows/System32/nvcuda.dll")
"""What is there where the system knows a GPU that torch may use: NVIDIA's, AMD's, that of Windows seen from Linux."""

Rows = NDArray[np.float32]


class Runner(Protocol):
    """Projected embeddings (B, D) of one batch (B, C, H, W) in [0, 1]."""

    def __call__(self, images: Rows) -> Rows: ...


def descriptor_model() -> Model:
    """The model that every installation has."""
    return Model(
        name=DESCRIPTOR,
        kind=DESCRIPTOR,
        input=Preprocessing(3, SIDE, SIDE).as_section(),
        dimension=DIMENSION,
        space=Space("euclidean").as_section(),
        network={"version": 1},
        origin={"notes": "edges and colours, without training"},
    )


def runner_of(model: Model, wanted: str) -> tuple[str, Runner]:
    """Who computes the embeddings of a model, by name, and what does it; see `Embedder.load`."""
    choice("runner", wanted, RUNNERS)
    if model.kind == DESCRIPTOR:
        if model.fingerprint() != descriptor_model().fingerprint():
            raise InputError(
                f"{model.name} is a descriptor of another version of nearkin; this version cannot compute it"
            )
        return DESCRIPTOR, describe
    if model.kind != NETWORK:
        raise InputError(
            f"{model.name} is a model of the kind {model.kind!r}, which this version of nearkin cannot run"
        )
    if wanted == "onnx" and model.onnx is None:
        raise InputError(f"{model.name} has no ONNX file; make it with nearkin export, or load it with runner='torch'")
    exported = None
    if wanted != "torch" and model.onnx is not None:
        from nearkin.embedding.onnx_runner import OnnxRunner

        try:
            exported = OnnxRunner(model.onnx)
            if wanted == "onnx" or exported.on_gpu or not _torch_has_gpu():
                return "onnx", exported
        except MissingExtra:
            if wanted == "onnx":
                raise
    need("torch", extra="train", purpose=f"running {model.name} without onnxruntime (extra gallery)")
    from nearkin.embedding.torch_model import build, can_build
    from nearkin.embedding.torch_runner import TorchRunner

    if exported is not None and not can_build(model):
        return "onnx", exported
    return "torch", TorchRunner(build(model))


def _torch_has_gpu() -> bool:
    """Whether torch is installed and can use a GPU. It is imported to be asked only where there is a GPU's driver, for
    that takes seconds, for which no answer is to wait."""
    if "torch" not in sys.modules and not any(Path(each).exists() for each in DRIVERS):
        return False
    try:
        from nearkin.embedding.torch_runner import gpu
    except ImportError:
        return False
    return gpu() is not None
