"""A worker process of `compare --jobs`: `python -m nearkin.comparison.worker STUDY THREADS`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import torch

from nearkin.comparison.study_folder import reopen
from nearkin.comparison.workers import STOPPED, Telling, tell_error
from nearkin.comparison.working import work
from nearkin.core import InputError, raise_on_signals


def main(folder: str, threads: str) -> int:
    """Make runs of the study in `folder` until none is left; the exit code says how it ended."""
    raise_on_signals()
    torch.set_num_threads(int(threads))
    threading.Thread(target=_watch_parent, daemon=True).start()
    try:
        work(reopen(Path(folder)), Telling())
    except KeyboardInterrupt:
        return STOPPED
    except InputError as error:
        tell_error(str(error))
        return 2
    except OSError as error:
        tell_error(f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}")
        return 1
    return 0


def _watch_parent() -> None:
    """Stop as on a request to end when the parent is gone: the system then closes our stdin."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
