"""The network of a recipe that names none: small, and as deep as the images are large."""

from __future__ import annotations

from typing import Any

FILTERS = (16, 32, 64, 64)


def default_network(image_shape: tuple[int, int, int]) -> dict[str, Any]:
    """Convolutions 3 x 3 with pooling 2 x 2 while the map has at least 4 x 4 pixels (at most four), 128 units, 64 dimensions.

    >>> [layer["kind"] for layer in default_network((1, 8, 8))["layers"]]
    ['conv', 'conv', 'fc']
    """
    _, height, width = image_shape
    layers: list[dict[str, Any]] = []
    for filters in FILTERS:
        if min(height, width) < 4:
            break
        layers.append({"kind": "conv", "kernel_h": 3, "kernel_w": 3, "pool_h": 2, "pool_w": 2, "filters": filters})
        height, width = height // 2, width // 2
    layers = [{**layer, "padding": "same"} for layer in layers]
    return {"embedding_size": 64, "normalize": False, "standardise": True, "layers": [*layers, {"kind": "fc", "units": 128}]}
