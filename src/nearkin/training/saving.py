"""When a run is written, and what is found when it is asked for again."""

from __future__ import annotations

import time
from pathlib import Path

from nearkin.core import non_negative
from nearkin.training.checkpoint import read_checkpoint, remove_checkpoints, write_checkpoint
from nearkin.training.history import History, write_curves
from nearkin.training.identity import Identity, refuse_another, weights_hash
from nearkin.training.outcome import CURVES, read_outcome, write_outcome
from nearkin.training.run import Run
from nearkin.training.step import TrainingFailed

SAVING_SHARE = 0.02
"""Largest share of the time that checkpoints may take."""


class Saver:
    """Checkpoints of one run in a folder, at most one in `seconds`; 0 asks for one a step."""

    def __init__(self, folder: Path | str, seconds: float) -> None:
        self.folder = Path(folder)
        self.seconds = self.pause = non_negative("checkpoint_seconds", seconds)
        self.identity: Identity = {}
        self._saved_at = time.perf_counter()

    def resume(self, run: Run, identity: Identity) -> History | None:
        """The history of a finished run, its weights loaded; or None, with `run` at its last checkpoint, if any."""
        self.identity = identity
        history, notes = read_outcome(self.folder, run.network, run.loss, identity)
        if history is not None:
            remove_checkpoints(self.folder)
            return history
        content, damaged = read_checkpoint(self.folder)
        if content is not None:
            weights = content["run"]["weights"]
            refuse_another(
                self.folder, content["identity"], identity, weights_hash(weights["network"], weights["loss"])
            )
            run.load_state_dict(content["run"])
        run.notes += [*notes, *damaged]
        return None

    def save_when_due(self, run: Run) -> None:
        """Write a checkpoint if the last one is old enough."""
        if time.perf_counter() - self._saved_at >= self.pause:
            self.save(run)

    def save(self, run: Run) -> None:
        """Write a checkpoint; weights that are not finite raise TrainingFailed instead and leave the good one."""
        if not run.is_finite():
            raise TrainingFailed("the weights are no longer finite")
        begun = time.perf_counter()
        write_checkpoint(self.folder, {"identity": self.identity, "step": run.step, "run": run.state_dict()})
        self._saved_at = time.perf_counter()
        if self.seconds > 0:
            self.pause = max(self.seconds, (self._saved_at - begun) / SAVING_SHARE)

    def keep_what_is_good(self, run: Run) -> str:
        """After a failure: save the step before it if its weights are finite; say what the folder holds."""
        if run.step and run.is_finite():
            self.save(run)
        if run.step:
            write_curves(self.folder / CURVES, run.history().curves)
        content, _ = read_checkpoint(self.folder)
        return (
            "no checkpoint had been written" if content is None else f"step {content['step']} is kept in {self.folder}"
        )

    def finish(self, run: Run, history: History) -> None:
        """Write the outcome and delete the checkpoints."""
        write_outcome(self.folder, run.network, run.loss, history, self.identity)
        remove_checkpoints(self.folder)
