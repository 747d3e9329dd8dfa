"""How far an exported file is from the network that it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Parity:
    """How far the exported file is from torch: the largest difference of a number, by batch size.

    differences : {batch size: largest absolute difference}
    largest : the largest absolute number among the embeddings, for scale.
    """

    differences: Mapping[int, float]
    largest: float

    @property
    def worst(self) -> float:
        """The largest difference of all."""
        return max(self.differences.values())

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        differences = {str(size): difference for size, difference in self.differences.items()}
        return {"differences": differences, "largest": self.largest, "worst": self.worst}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Parity:
        """What `as_dict` wrote."""
        return cls({int(size): float(each) for size, each in value["differences"].items()}, float(value["largest"]))
