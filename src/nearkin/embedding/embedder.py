"""`Embedder`: a model ready to use, from opened images to rows in which near means kin. No torch unless it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, integer, need
from nearkin.decision.links import Space
from nearkin.embedding.model_folder import DESCRIPTOR, RECORD, Model, read_model, write_model
from nearkin.embedding.preprocessing import Preprocessing
from nearkin.embedding.running import Runner, descriptor_model, runner_of

if TYPE_CHECKING:
    from nearkin.embedding.parity import Parity

Rows = NDArray[np.float32]


class Embedder:
    """From images to projected embeddings, by a model folder or by the descriptor, which needs none.

    >>> embedder = Embedder.load("descriptor")
    >>> embedder.embed([np.eye(9, dtype=np.uint8)[:, :, None] * 255]).shape
    (1, 320)

    Attributes
    ----------
    name : what people call the model.
    dimension : D, numbers of an embedding.
    fingerprint : SHA-256 over configuration and weights; two models with the same one give the same embeddings.
    space : the distance of embeddings (`nearkin.decision.links.Space`).
    trained_on : hashes of the images that training or model selection has seen; such images must not calibrate anything.
    runner : who computes: "descriptor", "onnx" or "torch".
    preprocessing : from an opened image to the network's input.
    """

    def __init__(self, model: Model, runner: str = "auto", *, run: Runner | None = None) -> None:
        self.model = model
        self.name = model.name
        self.dimension = model.dimension
        self.fingerprint = model.fingerprint()
        self.space = Space.from_section(model.space)
        self.trained_on = model.trained_on
        self.preprocessing = Preprocessing.from_section(model.input)
        self.runner, self._run = runner_of(model, runner) if run is None else (runner, run)

    @classmethod
    def load(cls, place: str | PathLike[str], runner: str = "auto") -> Embedder:
        """The descriptor, or the model in a folder; the folder of a run or a study is searched for its `model`.

        place:  "descriptor" (write "./descriptor" for a folder of that name), a model folder, or a folder with one in `model`
        runner: "onnx", "torch", or "auto": onnx where the model has been exported and onnxruntime is installed, else torch;
                and torch where it can use a GPU that the installed onnxruntime cannot
        Errors: InputError for a folder that is damaged, not whole, foreign or of a newer version; MissingExtra where what
                runs it is not installed
        """
        if place == DESCRIPTOR:
            return cls(descriptor_model(), runner)
        folder = Path(place).expanduser()
        inner = folder / "model"
        if not (folder / RECORD).is_file() and (inner / RECORD).is_file():
            folder = inner
        return cls(read_model(folder), runner)

    @classmethod
    def from_network(
        cls,
        network: Any,
        *,
        distance: Any = "euclidean",
        input: Preprocessing | None = None,
        trained_on: Sequence[str] | frozenset[str] = (),
        name: str = "",
        origin: Mapping[str, Any] | None = None,
    ) -> Embedder:
        """A trained network of `nearkin.networks` with its distance, run by torch; `export` adds the ONNX file.

        network:    `Network`, `FineTuned`, `Backbone`, or a list of modules with `configuration()` that follow each other,
                    such as a frozen `Backbone` and the `EmbeddingHead` trained on its features
        distance:   a name or a `Distance`, with what it learned; its `project` becomes part of the model
        input:      `Preprocessing`; a `Network` of images scaled by their whole range needs none
        trained_on: hashes of the images seen while training and choosing, as `ImageSet.hashes` has them
        """
        need("torch", extra="train", purpose="a network")
        from nearkin.embedding.torch_model import model_of
        from nearkin.embedding.torch_runner import TorchRunner

        model, chain = model_of(network, distance, input, frozenset(trained_on), name, dict(origin or {}))
        return cls(model, "torch", run=TorchRunner(chain))

    @classmethod
    def from_backbone(
        cls, backbone: str, *, weights: str | PathLike[str] = "pretrained", size: int | None = None, distance: Any = "cosine"
    ) -> Embedder:
        """The pooled features of a pretrained network by name, without training; `weights` as for `nearkin.networks.Backbone`."""
        from nearkin.networks import Backbone

        made = Backbone(backbone, weights, size=size)
        return cls.from_network(made, distance=distance, name=backbone, origin={"weights": Path(made.weights).name})

    def embed(
        self,
        images: Sequence[NDArray[Any]],
        *,
        batch_size: int = 64,
        on_progress: Callable[[int, int], object] | None = None,
    ) -> Rows:
        """Projected embeddings (N, D) float32 of opened images (H, W, C), uint8 or uint16; `space` is their distance.

        on_progress: called with the number of images done and the number of all of them, after every batch
        Errors:      InputError for an image of another kind, and for embeddings that are not finite
        """
        size = integer("batch_size", batch_size, minimum=1)
        rows = np.empty((len(images), self.dimension), np.float32)
        for start in range(0, len(images), size):
            stop = min(start + size, len(images))
            rows[start:stop] = self._run(self.preprocessing(images[start:stop]))
            if on_progress is not None:
                on_progress(stop, len(images))
        broken = np.flatnonzero(~np.isfinite(rows).all(1))
        if len(broken):
            raise InputError(f"{self.name}: the embedding of image {broken[0]} is not finite, nor are {len(broken) - 1} more")
        return rows

    def export(self, *, tolerance: float = 1e-4) -> tuple[Embedder, Parity]:
        """The same model with an ONNX file, run by onnxruntime, and how far that is from torch at several batch sizes.

        Errors: MissingExtra without the extra `export`; InputError for the descriptor, and where the file's numbers differ
                from torch's by more than `tolerance` times the largest of them
        """
        if self.model.kind == DESCRIPTOR:
            raise InputError("the descriptor has no network to export: it works without torch as it is")
        need("torch", extra="train", purpose="exporting a model")
        from nearkin.embedding.exporting import export_onnx
        from nearkin.embedding.torch_model import build
        from nearkin.embedding.torch_runner import TorchRunner

        chain = self._run.chain if isinstance(self._run, TorchRunner) else build(self.model)
        about = {"name": self.name, "fingerprint": self.fingerprint, "space": json.dumps(self.space.as_section())}
        content, parity = export_onnx(chain, self.preprocessing, about=about, tolerance=tolerance)
        origin = {**self.model.origin, "parity": parity.as_dict()}
        return Embedder(replace(self.model, onnx=content, origin=origin), "onnx"), parity

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write the model folder: everything that `load` needs, the ONNX file where there is one."""
        return write_model(self.model, Path(folder).expanduser())

    def configuration(self) -> dict[str, Any]:
        """What, with the weights, decides every embedding: plain values, fit for JSON."""
        return self.model.configuration()

    def __repr__(self) -> str:
        return f"Embedder({self.name!r}, dimension={self.dimension}, runner={self.runner!r}, {self.fingerprint[:12]})"
