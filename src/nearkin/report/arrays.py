"""Arrays of a study folder: thumbnails and embeddings, checked while read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError
from nearkin.report.pairs import Floats
from nearkin.report.study import Run, Split, Study


def read_thumbnails(study: Study, split: Split) -> NDArray[np.uint8] | None:
    """Thumbnails (Q, h, w, C) of the test images, or None where the study keeps none."""
    path = study.folder / "thumbnails" / f"{split.protocol}.npy"
    if not path.exists():
        return None
    images = _array(path)
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) != len(split.test) or 0 in images.shape:
        raise InputError(
            f"{path} must be uint8 (test images, height, width, channels), got {images.dtype} {images.shape}"
        )
    return np.asarray(images, dtype=np.uint8)


def _array(path: Path) -> NDArray[np.generic]:
    try:
        array: NDArray[np.generic] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path} is missing; delete {path.parent} and run the study again to write it") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    return array


def read_embeddings(run: Run, queries: int, place: NDArray[np.int64]) -> Floats:
    """The rows `place` of a run's embeddings (queries, D), in float64."""
    path = run.folder / "embeddings.npy"
    stored = _array(path)
    if stored.ndim != 2 or len(stored) != queries or stored.shape[1] == 0 or stored.dtype.kind != "f":
        raise InputError(
            f"{path} must be floats ({queries} test images, dimensions), got {stored.dtype} {stored.shape}"
        )
    rows = np.asarray(stored[place], dtype=np.float64)
    if not np.isfinite(rows).all():
        raise InputError(f"{path} holds NaN or infinity: the run of {run.method!r}, seed {run.seed}, has failed")
    return rows
