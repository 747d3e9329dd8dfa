"""Several processes on one study: this one starts them, hears of their progress and ends them when it is ended itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from nearkin.comparison.progress import Listener, Step
from nearkin.comparison.study import Study

STOPPED = 130


class WorkerFailed(RuntimeError):
    """A worker process ended with an error; its words are the message."""


def work_with_others(study: Study, jobs: int, listener: Listener) -> None:
    """Let `jobs` worker processes make the runs of the study. Returns when all are finished.

    Errors:  WorkerFailed with a worker's own words; KeyboardInterrupt when this process or a worker was stopped. The
             others then finish their step, save and stop too
    """
    threads = int(os.environ.get("OMP_NUM_THREADS") or max(1, (os.cpu_count() or 1) // jobs))
    workers = [_Worker(study.folder, threads, listener) for _ in range(jobs)]
    try:
        codes = _wait(workers)
    except KeyboardInterrupt:
        for worker in workers:
            worker.stop()
        _wait(workers)
        raise
    failed = next((worker for worker, code in zip(workers, codes) if code not in (0, STOPPED, -signal.SIGTERM)), None)
    if failed is not None:
        raise WorkerFailed(failed.error or _words_on(failed.process.returncode))
    if any(codes):
        raise KeyboardInterrupt


def _words_on(code: int) -> str:
    ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    memory = "; is there memory enough for so many (--jobs)?" if code == -9 else ""
    return f"a worker process {ended}{memory}"


def _wait(workers: list[_Worker]) -> list[int]:
    """The exit codes of all; when one fails, the others are stopped."""
    waiting = list(workers)
    while waiting:
        for worker in list(waiting):
            try:
                code = worker.process.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
            waiting.remove(worker)
            worker.close()
            if code != 0:
                for other in waiting:
                    other.stop()
    return [worker.process.returncode for worker in workers]


class _Worker:
    """A process that makes runs, and a thread that reads what it says."""

    def __init__(self, folder: Path, threads: int, listener: Listener) -> None:
        command = [sys.executable, "-m", "nearkin.comparison.worker", str(folder), str(threads)]
        paths = os.pathsep.join(path for path in sys.path if path)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # closed by the system when this process dies: the worker's sign to stop
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for this process, which then asks the workers to stop
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": str(threads)},
        )
        self.error = ""
        self.listener = listener
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def stop(self) -> None:
        """Ask the worker to finish its step, save and stop."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Hear the last words and close the pipes."""
        self.reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            try:
                kind, told = json.loads(line)
            except ValueError:  # a user's own loss may print
                self.listener.note(line.rstrip())
                continue
            if kind == "error":
                self.error = told
            elif kind == "step":
                self.listener.step(Step(**told))
            else:
                getattr(self.listener, kind)(*told)


class Telling:
    """The listener of a worker: a line of JSON for everything it hears."""

    def planned(self, runs: int, finished: int) -> None:
        """The parent has counted already."""

    def step(self, step: Step) -> None:
        """Tell of a step."""
        _tell("step", asdict(step))

    def finished(self, run: str, says: str) -> None:
        """Tell of a finished run."""
        _tell("finished", [run, says])

    def features(self, done: int, images: int) -> None:
        """The parent has seen to them already."""

    def note(self, text: str) -> None:
        """Tell a note."""
        _tell("note", [text])


def _tell(kind: str, told: object) -> None:
    print(json.dumps([kind, told]), flush=True)


def tell_error(words: str) -> None:
    """Tell the parent why this worker fails."""
    _tell("error", words)
