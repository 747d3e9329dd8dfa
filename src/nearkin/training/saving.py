"""When a run is written, and what is found when it is asked for again."""

from __future__ import annotations

import time
from pathlib import Path

from torch import nn

from nearkin.core import non_negative
from nearkin.training.checkpoint import read_checkpoint, remove_beginnings, remove_checkpoints, write_checkpoint
from nearkin.training.history import History, write_curves
from nearkin.training.identity import Identity, refuse_another, weights_hash
from nearkin.training.outcome import CURVES, read_outcome, write_outcome
from nearkin.training.run import Run
from nearkin.training.step import TrainingFailed

SAVING_SHARE = 0.02
"""Largest share of the time that checkpoints may take."""


class Saver:
    """Checkpoints of one run in a folder, at most one in `seconds`; 0 asks for one a step."""

    def __init__(self, folder: Path | str, seconds: float, identity: Identity) -> None:
        self.folder = Path(folder)
        self.seconds = self.pause = non_negative("checkpoint_seconds", seconds)
        self.identity = identity
        self.notes: list[str] = []
        self._saved_at = time.perf_counter()
        self._saved_step: int | None = None

    def finished(self, network: nn.Module, loss: nn.Module) -> History | None:
        """The history of the run if it is finished, its weights loaded."""
        history, self.notes = read_outcome(self.folder, network, loss, self.identity)
        if history is not None:
            remove_checkpoints(self.folder)
        return history

    def resume(self, run: Run) -> None:
        """Put `run` where its last whole checkpoint left it, if there is one."""
        content, damaged = read_checkpoint(self.folder)
        if content is not None:
            weights = content["run"]["weights"]
            current = weights_hash(weights["network"], weights["loss"])
            refuse_another(self.folder, content["identity"], self.identity, current)
            run.load_state_dict(content["run"])
            self.identity, self._saved_step = content["identity"], run.step
        run.notes += [*self.notes, *damaged]
        remove_beginnings(self.folder)
        self._saved_at = time.perf_counter()

    def save_when_due(self, run: Run, *, at_once: bool = False) -> None:
        """Write a checkpoint if the last one is old enough, or at once.

        Weights that are not finite raise TrainingFailed instead and leave the good checkpoint.
        """
        if not at_once and time.perf_counter() - self._saved_at < self.pause:
            return
        if not run.is_finite():
            raise TrainingFailed("the weights are no longer finite")
        begun = time.perf_counter()
        write_checkpoint(self.folder, {"identity": self.identity, "step": run.step, "run": run.state_dict()})
        self._saved_at, self._saved_step = time.perf_counter(), run.step
        if self.seconds > 0:
            self.pause = max(self.seconds, (self._saved_at - begun) / SAVING_SHARE)

    def failed(self, run: Run) -> str:
        """After a failure: write the curves, leave the checkpoint as it is, and say what it has."""
        if run.step:
            write_curves(self.folder / CURVES, run.history().curves)
        kept = (
            "none had been written" if self._saved_step is None else f"step {self._saved_step} is kept in {self.folder}"
        )
        return f"last good checkpoint: {kept}"

    def finish(self, run: Run, history: History) -> None:
        """Write the outcome and delete the checkpoints."""
        write_outcome(self.folder, run.network, run.loss, history, self.identity)
        remove_checkpoints(self.folder)
