"""The one place where an image file becomes an array: (H, W, C), 8 or 16 bits, upright, nothing clipped or lost in silence."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from nearkin.core import InputError, content_hash
from nearkin.data.deep import deep_colours

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".pgm", ".ppm", ".pbm", ".pnm", ".npy")
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM")
ORIENTATION = 0x0112
SUBFILE_TYPE = 0x00FE


@dataclass(frozen=True)
class Opened:
    """A decoded image: pixels (H, W, C) of uint8 or uint16, and remarks on what had to be done to it."""

    pixels: NDArray[Any]
    remarks: tuple[str, ...] = ()


def open_image(data: bytes, name: str) -> Opened:
    """Decode the image file `data`; `name` is for the error messages.

    Grey images have one channel, colour images three; the pages of a TIFF are its channels, and an .npy array
    (H, W) or (H, W, C) may have any number. The EXIF orientation is applied. Palette, CMYK and other colour spaces
    become RGB; transparency is laid on white. 16-bit files keep 16 bits. Whatever cannot be kept is an InputError:
    a file that is corrupt, cut off or of 32 bits, and an image so large that it may be an attack.
    """
    try:
        if data.startswith(b"\x93NUMPY"):
            return Opened(_from_npy(data, name))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return _from_pillow(image, data, name)
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{name} is refused, it is larger than any photo: {error}") from None
    except Exception as error:  # decoders raise errors of many kinds on corrupt files
        raise InputError(f"{name} cannot be opened as an image: {_words(error)}") from error


def image_hash(pixels: NDArray[Any]) -> str:
    """SHA-256 of an image's type, shape and values."""
    little = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<"))
    return content_hash(f"{pixels.dtype.name} {pixels.shape}", little.tobytes())


def _words(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return "its content is not that of an image format known here"
    return str(error) or type(error).__name__


def _from_npy(data: bytes, name: str) -> NDArray[Any]:
    array: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        raise InputError(f"{name} holds {array.dtype}; an .npy image must hold uint8 or uint16")
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or 0 in array.shape:
        raise InputError(f"{name} has the shape {array.shape}; an .npy image is (H, W) or (H, W, C)")
    if array.shape[2] > 64 >= array.shape[0]:
        raise InputError(f"{name} has the shape {array.shape}, channels first it seems; an .npy image is (H, W, C)")
    return array.astype(array.dtype.newbyteorder("="))


def _from_pillow(image: Image.Image, data: bytes, name: str) -> Opened:
    pages = _pages(image, name)
    if len(pages) > 1:
        return Opened(np.concatenate([_upright(page, data, name)[0] for page in pages], axis=2))
    frames = getattr(image, "n_frames", 1)
    pixels, remarks = _upright(image, data, name)
    if frames > 1 and image.format in ("GIF", "PNG", "WEBP"):
        remarks += ("only the first of several frames is used",)
    return Opened(pixels, remarks)


def _pages(image: Image.Image, name: str) -> list[Image.Image]:
    """The pages of a TIFF that are channels: one grey size throughout; reduced copies and masks are left out."""
    if image.format != "TIFF" or getattr(image, "n_frames", 1) == 1:
        return [image]
    pages = [page.copy() for page in ImageSequence.Iterator(image) if not page.tag_v2.get(SUBFILE_TYPE, 0)]  # type: ignore[attr-defined]
    image.seek(0)
    if len(pages) <= 1:
        return [image]
    kinds = {(page.size, page.mode) for page in pages}
    if len(kinds) > 1 or pages[0].mode not in ("1", "L", "I;16", "I;16B", "I"):
        found = ", ".join(sorted(f"{mode} {width} x {height}" for (width, height), mode in kinds))
        raise InputError(
            f"{name} cannot be opened as an image: the pages of a TIFF are read as channels, all grey and of one size; its pages are {found}"
        )
    return pages


def _upright(image: Image.Image, data: bytes, name: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    deep = deep_colours(image, data, name)
    image.load()
    pixels, remarks = _decoded(image, name) if deep is None else (deep, ())
    pixels, more = _without_alpha(pixels)
    return _oriented(pixels, _orientation(image)), remarks + more


def _decoded(image: Image.Image, name: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Pixels (H, W, 1, 3 or 4): grey, RGB or RGB with alpha."""
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)[:, :, None], ()
    if image.mode == "I":
        return _sixteen_of_thirty_two(np.asarray(image), name), ()
    if image.mode == "F":
        raise InputError(f"{name} holds floating-point values; save it with 8 or 16 bits")
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        return _grey_if_grey(np.asarray(image.convert("RGBA")), image.mode), ()
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[:, :, None], ()
    pixels = np.asarray(image.convert("RGB"))
    remarks = () if image.mode in ("RGB", "P") else (f"converted from {image.mode} to RGB",)
    return _grey_if_grey(pixels, image.mode), remarks


def _sixteen_of_thirty_two(values: NDArray[Any], name: str) -> NDArray[np.uint16]:
    if values.min() < 0 or values.max() > 65535:
        raise InputError(f"{name} holds {values.min()} to {values.max()}; images have 8 to 16 bits, 0 to 65535")
    return values.astype(np.uint16)[:, :, None]


def _grey_if_grey(pixels: NDArray[Any], mode: str) -> NDArray[Any]:
    """Reduce RGB to one channel (and alpha) where all colours are equal and the file does not promise colour."""
    if mode not in ("1", "L", "LA", "La", "P", "PA") or (pixels[:, :, :1] != pixels[:, :, 1:3]).any():
        return pixels
    return pixels[:, :, [0, *range(3, pixels.shape[2])]]


def _without_alpha(pixels: NDArray[Any]) -> tuple[NDArray[Any], tuple[str, ...]]:
    if pixels.shape[2] not in (2, 4):
        return pixels, ()
    white = np.iinfo(pixels.dtype).max
    colour, alpha = pixels[:, :, :-1], pixels[:, :, -1:]
    if (alpha == white).all():
        return colour, ()
    share = alpha / np.float64(white)
    mixed = np.rint(colour * share + white * (1 - share)).astype(pixels.dtype)
    return mixed, ("transparency laid on white",)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # a corrupt EXIF block says nothing about the picture
        return 1


def _oriented(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo the rotation or mirroring that the EXIF `orientation` (1 to 8) states."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
