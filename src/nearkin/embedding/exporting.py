"""The network as an ONNX file that answers without torch: standardisation, backbone, head and `project` in one graph."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from nearkin.core import InputError, need
from nearkin.embedding.onnx_runner import INPUT, OUTPUT, OnnxRunner
from nearkin.embedding.parity import Parity
from nearkin.embedding.preprocessing import Preprocessing
from nearkin.embedding.torch_model import Chain
from nearkin.networks import Backbone

BATCHES = (1, 2, 7, 64)
"""Batch sizes at which the exported file is held against torch."""

TOLERANCE = 1e-4
"""Largest difference allowed, as a share of the largest number of the embeddings."""

OPSET = 18
LARGEST_BATCH = 4096


def export_onnx(
    chain: Chain, preprocessing: Preprocessing, *, about: Mapping[str, str], tolerance: float = TOLERANCE
) -> tuple[bytes, Parity]:
    """The bytes of an ONNX file with one input, `images` (B, C, H, W) float32 in [0, 1], and one output, `embeddings` (B, D).

    Any batch size up to 4,096. What a `Backbone` does to images of another size is in the graph as two products with fixed
    matrices, so that no runtime needs an antialiased resize. The metadata hold the preprocessing and `about`.

    Errors:  MissingExtra without onnx and onnxscript; InputError where torch cannot export the network, and where the file's
             embeddings differ from torch's by more than `tolerance` times the largest number, at any of the batch sizes
    """
    for module in ("onnx", "onnxscript"):
        need(module, extra="export", purpose="exporting a model")
    chain = copy.deepcopy(chain).cpu().eval()
    _fix_sizes(chain, (preprocessing.height, preprocessing.width))
    shape = (preprocessing.channels, preprocessing.height, preprocessing.width)
    example = torch.zeros(2, *shape)
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        chain(example)  # a `Network` notes its first use, which must not happen while it is traced
        try:
            program: Any = torch.onnx.export(
                chain,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes={"images": {0: batch}},
                external_data=False,
                verbose=False,
            )
        except Exception as error:  # the exporter's errors have many classes
            raise InputError(f"torch cannot export this network: {str(error).strip().partition(chr(10))[0]}") from error
    content = _with_metadata(program.model_proto, {"preprocessing": json.dumps(preprocessing.as_section()), **about})
    return content, _checked(chain, content, shape, tolerance)


class _FixedSize(nn.Module):
    """A `Backbone` for images of one size, its resizing as products with the matrices that torch's own resizing has."""

    def __init__(self, backbone: Backbone, size: tuple[int, int]) -> None:
        super().__init__()
        self.backbone = backbone
        for name, side, wanted in zip(("down", "across"), size, backbone.image_size, strict=True):
            identity = torch.eye(side)[None, None]
            options = {"mode": backbone.interpolation, "antialias": True, "align_corners": False}
            matrix = interpolate(identity, (wanted, side), **options)[0, 0]  # type: ignore[arg-type]
            self.register_buffer(name, matrix)

    def forward(self, images: Tensor) -> Tensor:
        rgb = images if images.shape[1] == 3 else images.expand(-1, 3, -1, -1)
        resized = self.down @ rgb @ self.across.T  # type: ignore[operator]
        resized = resized.clamp(0, 1) if self.backbone.interpolation == "bicubic" else resized
        features: Tensor = self.backbone.network((resized - self.backbone.mean) / self.backbone.deviation)
        return features


def _fix_sizes(chain: Chain, size: tuple[int, int]) -> None:
    first = chain.parts[0]
    if isinstance(first, Backbone) and tuple(first.image_size) != size:
        chain.parts[0] = _FixedSize(first, size).eval()


def _with_metadata(proto: Any, about: Mapping[str, str]) -> bytes:
    """The file's bytes, without the traces of source lines that the exporter leaves in every node."""
    proto.doc_string = ""
    graphs = [proto.graph, *proto.functions]
    for graph in graphs:
        graph.doc_string = ""
        for place in (*graph.node, *graph.value_info):
            place.doc_string = ""
            del place.metadata_props[:]
    del proto.metadata_props[:]
    for key, value in sorted(about.items()):
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def _checked(chain: Chain, content: bytes, shape: tuple[int, ...], tolerance: float) -> Parity:
    run, rng = OnnxRunner(content), np.random.default_rng(0)
    differences, largest = {}, 0.0
    for size in BATCHES:
        images = rng.random((size, *shape), dtype=np.float32)
        with torch.inference_mode():
            wanted = chain(torch.from_numpy(images)).numpy()
        differences[size] = float(np.abs(run(images) - wanted).max())
        largest = max(largest, float(np.abs(wanted).max()))
    parity = Parity(differences, largest)
    if not parity.worst <= tolerance * largest:
        raise InputError(
            f"the exported file does not give torch's embeddings: numbers differ by up to {parity.worst:.3g} "
            f"({', '.join(f'{value:.3g} at batch {size}' for size, value in differences.items())}), the largest is "
            f"{largest:.3g}, and {tolerance:g} of that is allowed"
        )
    return parity
