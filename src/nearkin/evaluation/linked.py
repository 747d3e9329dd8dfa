"""Any distance, learned ones and a user's own too, as rooms without torch take it: `project` once, then `link` on arrays."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nearkin.distances import DISTANCES, Distance, make_distance, wide

Floats: TypeAlias = NDArray[np.float64]


class LinkedDistance:
    """A distance for `nearkin.decision`'s pairs: rows of `project`, and `link` of numpy arrays in float64.

    >>> import numpy as np
    >>> space = LinkedDistance("cosine")
    >>> space.name, space.project(torch.tensor([[3.0, 4.0]])).round(2).tolist()
    ('cosine', [[0.6, 0.8]])
    """

    def __init__(self, distance: Distance | str) -> None:
        self.distance = make_distance(distance)
        self.name = distance if isinstance(distance, str) else _name(self.distance)
        self.symmetric = self.distance.symmetric

    def project(self, rows: Tensor) -> Floats:
        """Rows (N, D) where the distance is taken, (N, P) float64."""
        with torch.no_grad():
            projected: Floats = self.distance.project(wide(rows)).to(torch.float64).cpu().numpy()
        return projected

    def link(self, squared: Floats, query_norm: Floats, reference_norm: Floats) -> Floats:
        """The distance's link, elementwise and broadcasting."""
        with torch.no_grad():
            linked = self.distance.link(
                *(torch.from_numpy(np.array(each)) for each in (squared, query_norm, reference_norm))
            )
        found: Floats = linked.numpy()
        return found


def _name(distance: Distance) -> str:
    """Its name in the table where it is as the table makes it, else what it shows of itself."""
    shown = repr(distance)
    return next((name for name, kind in DISTANCES.items() if type(distance) is kind and shown == repr(kind())), shown)
