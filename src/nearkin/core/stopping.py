"""A request to end (Ctrl-C, SIGTERM) as an exception that a program can answer with its own exit code."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn


class StopRequested(KeyboardInterrupt):
    """Somebody asked the program to end.

    It is not a bare KeyboardInterrupt: where one of those passes through `exec` (inside an import, for one), Python
    remembers it and ends the process by the signal, whatever exit code the program gives.
    """


def raise_on_signals() -> None:
    """From now on Ctrl-C and SIGTERM raise StopRequested in the main thread. An ignored signal stays ignored."""
    for name in ("SIGINT", "SIGTERM"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise StopRequested
