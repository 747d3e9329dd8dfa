"""The exported network, run by onnxruntime: embeddings without torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, need

INPUT, OUTPUT = "images", "embeddings"
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class OnnxRunner:
    """Images (B, C, H, W) of float32 in [0, 1] to projected embeddings (B, D), by the file that `export_onnx` made.

    On the GPU where the installed onnxruntime can use one, in float32 throughout as by `TorchRunner`.

    on_gpu:  whether it does
    Errors:  MissingExtra without onnxruntime, InputError for bytes that it cannot read
    """

    name = "onnx"

    def __init__(self, content: bytes) -> None:
        runtime = need("onnxruntime", extra="gallery", purpose="running an exported model")
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        known = runtime.get_available_providers()
        providers = [each for each in ((CUDA, {"use_tf32": "0"}), (CPU, {})) if each[0] in known]
        try:
            self._session: Any = runtime.InferenceSession(content, options, providers=providers)
        except Exception as error:  # onnxruntime's errors have classes in a private module
            raise InputError(
                f"onnxruntime cannot run the exported model: {str(error).partition(chr(10))[0]}"
            ) from error
        self.on_gpu = CUDA in self._session.get_providers()  # it is not, where there is no device after all

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embeddings of one batch."""
        rows: NDArray[np.float32] = self._session.run([OUTPUT], {INPUT: images})[0]
        return rows

    def metadata(self) -> dict[str, str]:
        """What the file says of itself: its preprocessing, its distance, the fingerprint of its model."""
        return dict(self._session.get_modelmeta().custom_metadata_map)
