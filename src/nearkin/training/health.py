"""What goes wrong while a run goes on, said once each and in plain words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nearkin.distances.squared import wide
from nearkin.training.generated_health import GenerationHealth
from nearkin.training.step import Stepped

SHRUNK = 0.01
"""Share of the first batch's spread under which embeddings count as one point."""

STILL_ACTIVE = 0.5
"""A small spread is a collapse only while at least this share of the terms is unsatisfied."""

LOOK_EVERY = 10
"""Steps between two looks at the spread."""


class Health:
    """Watches a run: batches without pairs, embeddings that shrink to a point, a loss with nothing left to do.

    Spread is the root mean square distance of a batch's embeddings from their mean, in the space in which the loss
    measures distances (`project`), so that a cosine is not blamed for the length of its vectors.
    """

    def __init__(self, steps: int) -> None:
        self.patience = max(50, steps // 10)
        self.first_spread = math.nan
        self.idle_since = 0
        self.generation = GenerationHealth(self.patience)
        self.said: list[str] = []

    def state(self) -> dict[str, Any]:
        """What a checkpoint must keep."""
        return {
            "first_spread": self.first_spread,
            "idle_since": self.idle_since,
            "said": list(self.said),
            "generation": self.generation.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.first_spread, self.idle_since, self.said = state["first_spread"], state["idle_since"], list(state["said"])
        self.generation.load(state.get("generation", {}))

    def look(self, step: int, labels: np.ndarray[Any, Any], found: Stepped, loss: Any) -> list[str]:
        """What is to be said after `step`; each kind of trouble once a run."""
        troubles = [*self._pairs(step, labels), *self._spread(step, found, loss), *self._idle(step, found)]
        if found.extra:
            troubles += self.generation.look(step, found.extra)
        new = {kind: words for kind, words in troubles if kind not in self.said}
        self.said.extend(new)
        return list(new.values())

    def _pairs(self, step: int, labels: np.ndarray[Any, Any]) -> list[tuple[str, str]]:
        counts = np.unique(labels, return_counts=True)[1]
        if counts.max() < 2:
            return [
                (
                    "positives",
                    f"step {step}: no image of the batch has another of its class, so nothing pulls kin together; "
                    "set images_per_class to 2 or more",
                )
            ]
        if len(counts) < 2:
            return [
                (
                    "negatives",
                    f"step {step}: the batch has one class only, so nothing pushes classes apart; "
                    "set classes_per_batch to 2 or more",
                )
            ]
        return []

    def _spread(self, step: int, found: Stepped, loss: Any) -> list[tuple[str, str]]:
        if step != 1 and step % LOOK_EVERY:
            return []
        spread = _spread(found.embeddings, loss)
        if step == 1:
            self.first_spread = spread
            if spread == 0:
                return [("point", "step 1: all embeddings of the first batch are one point; the gradient may be 0")]
        shrunk = spread < SHRUNK * self.first_spread
        if shrunk and (found.active is None or found.active >= STILL_ACTIVE):
            return [
                (
                    "point",
                    f"step {step}: the embeddings have shrunk to a point: their spread is {spread:.2g}, it was "
                    f"{self.first_spread:.2g} at the first step; try a lower learning rate, another loss or other mining",
                )
            ]
        return []

    def _idle(self, step: int, found: Stepped) -> list[tuple[str, str]]:
        if found.active is None or found.active > 0:
            self.idle_since = step
        if step - self.idle_since < self.patience:
            return []
        return [
            (
                "idle",
                f"step {step}: for {step - self.idle_since} steps no term of the loss was active, so nothing was learnt; "
                "try a larger margin or harder mining",
            )
        ]


def _spread(embeddings: Tensor, loss: Any) -> float:
    with torch.no_grad():
        distance = getattr(loss, "distance", None)
        rows = embeddings if distance is None else distance.project(wide(embeddings))
        return float((rows - rows.mean(0)).square().sum(1).mean().sqrt())
