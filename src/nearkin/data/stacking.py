"""Images of one shape, one after another, in one array: in memory, or in a file where they are too many for that."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError

Change = Callable[[NDArray[Any]], NDArray[Any]]
_BLOCK = 1 << 26


class SizesDiffer(InputError):
    """The images of a set have several sizes, and no size was asked for."""


class Stack:
    """Images of one shape, put together.

    Without loss, and with a note, 8 bits become 16 (times 257) and grey becomes RGB where the set holds both.
    Different sizes are counted, and refused at the end, so that the error can name them all.

    room : how many images there will be at most.
    file : where the pixels are written, one image after another; its name gets a number. Default: they stay in memory.
    """

    def __init__(self, room: int, file: Path | None = None) -> None:
        self._room = room
        self._file = file
        self._pixels: _InMemory | _OnDisk | None = None
        self._count = 0
        self._sizes: Counter[tuple[int, int]] = Counter()
        self._example: dict[tuple[int, int], str] = {}
        self._deepened = self._coloured = self._forms = 0

    def add(self, image: NDArray[Any], name: str) -> None:
        """Append one image (C, H, W)."""
        size = (image.shape[1], image.shape[2])
        self._sizes[size] += 1
        self._example.setdefault(size, name)
        if len(self._sizes) > 1:
            self.drop()
            return
        stack = self._matching(image)
        if image.dtype != stack.dtype:
            image = _deeper(image)
            self._deepened += 1
        if image.shape[0] != stack.shape[0]:
            if (image.shape[0], stack.shape[0]) != (1, 3):
                raise InputError(f"{name} has {image.shape[0]} channels, the images before it {stack.shape[0]}")
            image = _coloured(image)
            self._coloured += 1
        stack.append(image)
        self._count += 1

    def finish(self) -> tuple[NDArray[Any], tuple[str, ...]]:
        """All images (N, C, H, W), read-only where they are in a file, and notes on what was made equal."""
        if len(self._sizes) > 1:
            raise SizesDiffer(self._words_on_sizes())
        if self._pixels is None:
            raise InputError("there are no images")
        notes = []
        if self._deepened:
            notes.append(f"raised from 8 to 16 bits (times 257) to match the others: {self._deepened} of {self._count}")
        if self._coloured:
            notes.append(f"turned from grey to RGB to match the others: {self._coloured} of {self._count}")
        return self._pixels.finish(self._count), tuple(notes)

    def _matching(self, image: NDArray[Any]) -> _InMemory | _OnDisk:
        """The stack, made wider or deeper where the new image asks for it."""
        stack = self._pixels
        if stack is None:
            stack = self._new(image.shape, image.dtype)
        if image.dtype.itemsize > stack.dtype.itemsize:
            stack = self._changed(stack, _deeper, stack.shape, image.dtype)
            self._deepened = self._count
        if (stack.shape[0], image.shape[0]) == (1, 3):
            stack = self._changed(stack, _coloured, (3, *stack.shape[1:]), stack.dtype)
            self._coloured = self._count
        self._pixels = stack
        return stack

    def _changed(
        self, stack: _InMemory | _OnDisk, change: Change, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> _InMemory | _OnDisk:
        before = stack.finish(self._count)
        other = self._new(shape, dtype)
        step = max(1, _BLOCK // int(np.prod(shape)))
        for start in range(0, self._count, step):
            for image in before[start : start + step]:
                other.append(change(image))
        stack.drop()
        return other

    def _new(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> _InMemory | _OnDisk:
        if self._file is None:
            return _InMemory(self._room, shape, dtype)
        self._forms += 1
        return _OnDisk(self._file.with_name(f"{self._file.name}.{self._forms}"), shape, dtype)

    def drop(self) -> None:
        """Let go of all that was stacked."""
        if self._pixels is not None:
            self._pixels.drop()
        self._pixels = None

    def _words_on_sizes(self) -> str:
        common = self._sizes.most_common()
        shown = ", ".join(
            f"{height} x {width} ({count} images, such as {self._example[height, width]})"
            for (height, width), count in common[:5]
        )
        more = f" and {len(common) - 5} more sizes" if len(common) > 5 else ""
        height, width = common[0][0]
        return (
            f"the images differ in size (height x width): {shown}{more}; "
            f"pass size=(height, width) to resize them all, for example size=({height}, {width})"
        )


def _deeper(pixels: NDArray[Any]) -> NDArray[np.uint16]:
    return pixels.astype(np.uint16) * np.uint16(257)


def _coloured(image: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(image, 3, axis=0)


class _InMemory:
    """An array that is allocated once."""

    def __init__(self, room: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype, self._count = shape, dtype, 0
        try:
            self._pixels = np.empty((room, *shape), dtype)
        except MemoryError:
            gibibytes = room * int(np.prod(shape)) * dtype.itemsize / 2**30
            raise InputError(
                f"{room} images of {shape[1]} x {shape[2]} x {shape[0]} need {gibibytes:.1f} GiB of memory; "
                "pass a smaller size=(height, width)"
            ) from None

    def append(self, image: NDArray[Any]) -> None:
        self._pixels[self._count] = image
        self._count += 1

    def finish(self, count: int) -> NDArray[Any]:
        return self._pixels[:count]

    def drop(self) -> None:
        """Its memory goes with it."""


class _OnDisk:
    """A file of pixels, written from its beginning to its end."""

    def __init__(self, place: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype, self._place = shape, dtype, place
        self._file: IO[bytes] = place.open("xb")

    def append(self, image: NDArray[Any]) -> None:
        self._file.write(np.ascontiguousarray(image).tobytes())

    def finish(self, count: int) -> NDArray[Any]:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        pixels: NDArray[Any] = np.memmap(self._place, self.dtype, "r", shape=(count, *self.shape))
        return pixels

    def drop(self) -> None:
        self._file.close()
        self._place.unlink(missing_ok=True)
