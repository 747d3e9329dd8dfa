"""Opening one image file: what comes out is what is in it, at full depth, upright; what cannot be kept is refused."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from nearkin.core import InputError
from nearkin.data import open_image
from nearkin.data.opening import ORIENTATION, image_hash


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def encoded(image: Image.Image, format: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def png_of_sixteen_bits(values: np.ndarray, filter_type: int = 0) -> bytes:
    """A PNG written by hand, with (H, W, C) of uint16 and one filter (0 none, 1 left, 2 up) for all rows."""
    height, width, channels = values.shape
    raw = values.astype(">u2").reshape(height, -1).view(np.uint8).astype(np.int64)
    before = np.zeros_like(raw)
    if filter_type == 1:
        before[:, 2 * channels :] = raw[:, : -2 * channels]
    if filter_type == 2:
        before[1:] = raw[:-1]
    rows = b"".join(bytes([filter_type]) + row.tobytes() for row in ((raw - before) % 256).astype(np.uint8))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff_of_sixteen_bits(values: np.ndarray, order: str, compression: int) -> bytes:
    """A TIFF of one strip written by hand: (H, W, 3) of uint16 in byte order "<" or ">"; compression 1 none, 8 deflate."""
    height, width, channels = values.shape
    body = values.astype(f"{order}u2").tobytes()
    body = zlib.compress(body) if compression == 8 else body
    bits_at = 8 + len(body)
    ifd_at = bits_at + 2 * channels
    tags = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, bits_at), (259, 3, 1, compression),
        (262, 3, 1, 2), (273, 4, 1, 8), (277, 3, 1, channels), (278, 3, 1, height), (279, 4, 1, len(body)),
    ]  # fmt: skip
    data = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, ifd_at) + body
    data += struct.pack(f"{order}{channels}H", *[16] * channels) + struct.pack(f"{order}H", len(tags))
    for tag, kind, count, value in tags:
        inline = struct.pack(f"{order}HH", value, 0) if (kind, count) == (3, 1) else struct.pack(f"{order}I", value)
        data += struct.pack(f"{order}HHI", tag, kind, count) + inline
    return data + struct.pack(f"{order}I", 0)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "PPM"])
def test_grey_and_rgb_of_eight_bits_come_out_as_they_are(rng, format):
    grey = rng.integers(0, 256, (5, 7), dtype=np.uint8)
    colour = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(open_image(encoded(Image.fromarray(grey), format), "x").pixels, grey[:, :, None])
    np.testing.assert_array_equal(open_image(encoded(Image.fromarray(colour), format), "x").pixels, colour)


def test_one_bit_is_black_and_white():
    bits = np.eye(9, dtype=bool)
    pixels = open_image(encoded(Image.fromarray(bits), "PNG"), "x").pixels
    np.testing.assert_array_equal(pixels[:, :, 0], np.where(bits, 255, 0))


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_grey_of_sixteen_bits_keeps_every_value(rng, format):
    grey = rng.integers(0, 65536, (6, 4), dtype=np.uint16)
    grey[0, :2] = [0, 65535]
    opened = open_image(encoded(Image.fromarray(grey), format), "x")
    assert opened.pixels.dtype == np.uint16
    np.testing.assert_array_equal(opened.pixels[:, :, 0], grey)


@pytest.mark.parametrize("filter_type", [0, 1, 2])
def test_png_colours_of_sixteen_bits_keep_every_value(rng, filter_type):
    colour = rng.integers(0, 65536, (5, 8, 3), dtype=np.uint16)
    opened = open_image(png_of_sixteen_bits(colour, filter_type), "x")
    assert opened.pixels.dtype == np.uint16
    np.testing.assert_array_equal(opened.pixels, colour)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [1, 8])
def test_tiff_colours_of_sixteen_bits_keep_every_value(rng, order, compression):
    colour = rng.integers(0, 65536, (5, 8, 3), dtype=np.uint16)
    opened = open_image(tiff_of_sixteen_bits(colour, order, compression), "x")
    np.testing.assert_array_equal(opened.pixels, colour)


def test_ppm_colours_of_sixteen_bits_are_scaled_to_the_whole_range(rng):
    colour = rng.integers(0, 4096, (3, 4, 3), dtype=np.uint16)
    opened = open_image(b"P6\n4 3\n4095\n" + colour.astype(">u2").tobytes(), "x")
    np.testing.assert_array_equal(opened.pixels, np.rint(colour * 65535.0 / 4095).astype(np.uint16))
    with pytest.raises(InputError, match=r"cut\.ppm.*cut off"):
        open_image(b"P6\n4 3\n4095\n" + colour.astype(">u2").tobytes()[:-1], "cut.ppm")
    with pytest.raises(InputError, match="as text"):
        open_image(b"P3\n1 1\n4095\n1 2 3\n", "x")


@pytest.mark.parametrize("channels", [2, 4])
def test_transparency_of_sixteen_bits_is_laid_on_white(rng, channels):
    values = rng.integers(0, 65536, (4, 4, channels), dtype=np.uint16)
    opened = open_image(png_of_sixteen_bits(values), "x")
    share = values[:, :, -1:] / 65535
    np.testing.assert_array_equal(opened.pixels, np.rint(values[:, :, :-1] * share + 65535 * (1 - share)))
    assert opened.remarks == ("transparency laid on white",)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_is_laid_on_white_and_said(mode):
    image = Image.new(mode, (3, 2), (10, 0) if mode == "LA" else (10, 20, 30, 0))
    opened = open_image(encoded(image, "PNG"), "x")
    assert opened.pixels.shape == (2, 3, 1 if mode == "LA" else 3)
    assert (opened.pixels == 255).all()
    assert opened.remarks == ("transparency laid on white",)
    opaque = Image.new(mode, (3, 2), (10, 255) if mode == "LA" else (10, 20, 30, 255))
    assert open_image(encoded(opaque, "PNG"), "x").remarks == ()


def test_a_palette_becomes_rgb_and_a_grey_palette_grey(rng):
    colour = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).quantize(8)
    np.testing.assert_array_equal(open_image(encoded(colour, "PNG"), "x").pixels, np.asarray(colour.convert("RGB")))
    grey = rng.integers(0, 256, (6, 6), dtype=np.uint8)
    palette = Image.fromarray(grey).convert("P")
    np.testing.assert_array_equal(open_image(encoded(palette, "PNG"), "x").pixels, grey[:, :, None])


def test_cmyk_becomes_rgb_and_is_said():
    image = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    opened = open_image(encoded(image, "TIFF"), "x")
    assert opened.pixels.tolist() == [[[255, 0, 0]] * 4] * 4
    assert opened.remarks == ("converted from CMYK to RGB",)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
def test_exif_orientation_is_applied_as_pillow_does(rng, orientation, format):
    image = Image.fromarray(rng.integers(0, 256, (8, 16), dtype=np.uint8))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = encoded(image, format, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(open_image(data, "x").pixels[:, :, 0], expected)


def test_pages_of_a_tiff_are_channels(rng):
    planes = rng.integers(0, 65536, (5, 4, 6), dtype=np.uint16)
    pages = [Image.fromarray(plane) for plane in planes]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(open_image(data, "x").pixels, np.moveaxis(planes, 0, 2))


def test_unlike_pages_of_a_tiff_are_refused():
    pages = [Image.new("L", (4, 4)), Image.new("L", (5, 4))]
    with pytest.raises(InputError, match=r"stack\.tif.*its pages are L 4 x 4, L 5 x 4"):
        open_image(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]), "stack.tif")


def test_an_animation_gives_its_first_frame_and_says_so():
    frames = [Image.new("L", (4, 4), shade) for shade in (10, 200)]
    opened = open_image(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), "x")
    assert (opened.pixels == 10).all()
    assert opened.remarks == ("only the first of several frames is used",)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 7)])
@pytest.mark.parametrize("dtype", ["uint8", "<u2", ">u2"])
def test_npy_images_have_any_number_of_channels(rng, shape, dtype):
    array = rng.integers(0, 256, shape).astype(dtype)
    file = io.BytesIO()
    np.save(file, array)
    pixels = open_image(file.getvalue(), "x").pixels
    assert pixels.dtype.isnative
    np.testing.assert_array_equal(pixels, array.reshape(4, 5, -1))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4)), "float64"),
        (np.zeros((4, 4), np.int16), "int16"),
        (np.zeros((2, 2, 2, 2), np.uint8), "H, W"),
        (np.zeros((3, 100, 100), np.uint8), "channels first"),
        (np.zeros((0, 4), np.uint8), "H, W"),
        (np.array([{}], dtype=object), "object"),
    ],
)
def test_other_npy_files_are_refused(array, words):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    with pytest.raises(InputError, match=f"odd.npy.*{words}|odd.npy.*pickle"):
        open_image(file.getvalue(), "odd.npy")


@pytest.mark.parametrize("mode", ["F", "I"])
def test_images_of_thirty_two_bits_are_refused(mode):
    image = Image.fromarray(np.full((3, 3), -5, np.float32 if mode == "F" else np.int32))
    with pytest.raises(InputError, match=r"deep\.tif holds"):
        open_image(encoded(image, "TIFF"), "deep.tif")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "PPM", "BMP"])
def test_half_a_file_is_refused_by_name(rng, format):
    data = encoded(Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)), format)
    with pytest.raises(InputError, match=r"half\.img cannot be opened"):
        open_image(data[: len(data) // 2], "half.img")


@pytest.mark.parametrize("data", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"<svg></svg>", b"\x93NUMPY"])
def test_what_is_no_image_is_refused_by_name(data):
    with pytest.raises(InputError, match=r"odd\.png cannot be opened"):
        open_image(data, "odd.png")


@pytest.mark.parametrize("factor", [1.5, 3])
def test_decompression_bombs_are_refused_not_only_warned_of(monkeypatch, factor):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(64 * 64 / factor))
    with pytest.raises(InputError, match=r"bomb\.png is refused"):
        open_image(encoded(Image.new("L", (64, 64)), "PNG"), "bomb.png")


def test_the_hash_knows_type_shape_and_values():
    zeros = np.zeros((2, 3, 1), np.uint8)
    assert image_hash(zeros) == image_hash(zeros.copy())
    others = [zeros.astype(np.uint16), zeros.reshape(3, 2, 1), zeros + np.uint8(1)]
    assert len({image_hash(image) for image in [zeros, *others]}) == 4
    assert image_hash(zeros.astype("<u2")) == image_hash(zeros.astype(">u2"))
