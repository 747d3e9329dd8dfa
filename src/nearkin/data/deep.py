"""Colour images of 16 bits. Pillow keeps only the high byte of each value; asked twice, it gives both.

Its decoders know each colour layout of 16 bits in both byte orders. The wrong order yields the low bytes.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nearkin.core import InputError

_TWINS = {"B": "L", "L": "B", "N": "B" if np.little_endian else "L"}


def deep_colours(image: Image.Image, data: bytes, name: str) -> NDArray[np.uint16] | None:
    """The colours of a just opened image with all 16 bits, (H, W, 2, 3 or 4); None where it has 8 or is grey."""
    if image.mode not in ("RGB", "RGBA") or not getattr(image, "tile", []):
        return None
    if image.format == "PPM":
        return _netpbm(image, data, name)
    layout = _layout(_first_tile(image))
    if ";16" not in layout:
        return None
    if layout == "LA;16B":
        bytes_of_two = _decoded_as(data, "RGBA")
        return _joined(bytes_of_two[:, :, 0::2], bytes_of_two[:, :, 1::2])
    twin = layout[:-1] + _TWINS.get(layout[-1], "?")
    if layout[:-1] not in ("RGB;16", "RGBA;16", "RGBX;16"):
        raise InputError(
            f"{name} stores colours of 16 bits as {layout}, which is not read here; save it as a PNG of 16 bits"
        )
    colours = 4 if layout.startswith("RGBA") else 3
    high = _decoded_as(data, layout)
    low = _decoded_as(data, twin)
    return _joined(high[:, :, :colours], low[:, :, :colours])


def _first_tile(image: Any) -> Any:
    return image.tile[0]


def _layout(tile: Any) -> str:
    arguments = tile.args
    return str(arguments if isinstance(arguments, str) else arguments[0])


def _decoded_as(data: bytes, layout: str) -> NDArray[np.uint8]:
    """Decode `data` anew with its values unpacked as `layout`."""
    again: Any
    with Image.open(io.BytesIO(data)) as again:
        again.tile = [
            tile._replace(args=layout if isinstance(tile.args, str) else (layout, *tile.args[1:]))
            for tile in again.tile
        ]
        again.load()
        return np.asarray(again)


def _joined(high: NDArray[np.uint8], low: NDArray[np.uint8]) -> NDArray[np.uint16]:
    return high.astype(np.uint16) * np.uint16(256) + low


def _netpbm(image: Image.Image, data: bytes, name: str) -> NDArray[np.uint16] | None:
    """A PPM of more than 8 bits: big-endian values up to the header's maximum, which becomes 65535."""
    tile = _first_tile(image)
    maximum = tile.args[-1] if isinstance(tile.args, tuple) else 255
    if not isinstance(maximum, int) or maximum <= 255:
        return None
    if tile.codec_name != "ppm":
        raise InputError(
            f"{name} stores colours of 16 bits as text, which is not read here; save it as a PNG of 16 bits"
        )
    width, height = image.size
    count = width * height * 3
    if len(data) < tile.offset + 2 * count:
        raise InputError(f"{name} cannot be opened as an image: it is cut off")
    values = np.frombuffer(data, dtype=">u2", count=count, offset=tile.offset).reshape(height, width, 3)
    full: NDArray[np.uint16] = np.rint(np.minimum(values, maximum) * (65535 / maximum)).astype(np.uint16)
    return full
