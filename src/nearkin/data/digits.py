"""scikit-learn's 1,797 real handwritten digits, 8 x 8, values 0 to 16: the embedded default, nothing is downloaded."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from nearkin.core import need
from nearkin.data.assembling import assemble
from nearkin.data.decoding import Item
from nearkin.data.images import ImageSet
from nearkin.data.opening import Opened
from nearkin.data.preparing import Preparation


def read_digits(places: object, preparation: Preparation) -> ImageSet:
    """Read the digits out of the installed scikit-learn."""
    datasets = need("sklearn.datasets", extra="train", purpose="the data set 'digits'")
    bunch = datasets.load_digits()
    images = bunch.images.astype(np.uint8)
    items = [Item(f"{index:04d}", str(label), partial(_nth, images, index)) for index, label in enumerate(bunch.target)]
    return assemble("digits", items, preparation, source="scikit-learn's load_digits", value_range=(0.0, 16.0))


def _nth(images: NDArray[np.uint8], index: int) -> Opened:
    return Opened(images[index][:, :, None])
