"""Ctrl-C and SIGTERM while training: the step is finished, everything is saved, then the run stops."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from nearkin.core import StopRequested

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(StopRequested):
    """A run was asked to stop and did, between two steps. `str()` says where it stands and how it goes on."""

    def __init__(self, step: int, steps: int, folder: Path | None) -> None:
        saved = f"saved in {folder}; the same call goes on from here" if folder else "nothing is saved without a folder"
        super().__init__(f"interrupted after step {step} of {steps}; {saved}")
        self.step, self.folder = step, folder


class StopRequests:
    """While entered, the first Ctrl-C or SIGTERM only sets `requested`; a second one stops at once.

    Signals belong to the main thread: elsewhere nothing is installed. A signal that the process ignores stays ignored.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopRequests:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                previous = signal.getsignal(number)
                if previous is not signal.SIG_IGN and previous is not None:
                    self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise StopRequested
        self.requested = True
