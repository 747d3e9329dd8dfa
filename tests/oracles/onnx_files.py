"""A small ONNX file, made with the format's own helpers."""

from __future__ import annotations

from onnx import TensorProto, helper


def mean_of_colours() -> bytes:
    """`images` (B, 3, H, W) -> `embeddings` (B, 3), the mean of each channel."""
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["images"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["embeddings"], axis=1),
        ],
        "mean",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, "high", "wide"])],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["batch", 3])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    made.ir_version = 10
    content: bytes = made.SerializeToString()
    return content
