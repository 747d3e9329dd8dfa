"""Where the time of a step goes: the input, the network, the loss, and everything else."""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch

CUDA_EVERY = 10
"""On CUDA one step in so many is timed: the clock has to wait for the device, which costs time itself."""


class Stopwatch:
    """Seconds of the parts of all timed steps, `spent`; reading the clock costs less than a millionth of a second.

    "input": images drawn, loaded, augmented and brought to the device. "network": forward, backward and optimiser.
    "loss": its value and its gradient to the embeddings, with what is measured on the way. "other": checks and records.
    Steps that train generators have one part for "network and loss". The first step of a run, which warms up, is not
    timed; validations, checkpoints and `on_step` are no part of a step.
    """

    def __init__(self, device: torch.device, spent: dict[str, float]) -> None:
        self.device, self.spent = device, spent
        self._since: float | None = None

    def begin(self, step: int) -> None:
        """Step number `step` begins; the first is not timed, and on CUDA most are not."""
        skipped = step == 1 or (self.device.type == "cuda" and step % CUDA_EVERY != 2)
        self._since = None if skipped else self._now()

    def ends(self, part: str) -> None:
        """What went on since the last call, or since the step began, was `part`."""
        if self._since is not None:
            now = self._now()
            self.spent[part] = self.spent.get(part, 0.0) + now - self._since
            self._since = now

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def shares(spent: Mapping[str, float]) -> dict[str, float]:
    """Each part's share of all of them, to four decimals; nothing where nothing was timed.

    >>> shares({"input": 1.0, "network": 48.0, "loss": 1.0})
    {'input': 0.02, 'network': 0.96, 'loss': 0.02}
    """
    total = sum(spent.values())
    return {part: round(seconds / total, 4) for part, seconds in spent.items()} if total else {}
