"""Progress on a terminal: one line a run with its loss, the share of active terms and the time left.

Off a terminal nothing moves: only a line for each finished run is written, and what a person should know.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

if TYPE_CHECKING:
    from nearkin.comparison import Step


class LiveProgress:
    """A `Listener` that draws on stderr: `with LiveProgress() as live: compare(..., listener=live)`."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._lock = threading.Lock()
        self._bars: Progress | None = None
        self._all: TaskID | None = None
        self._runs: dict[str, TaskID] = {}
        self._features: TaskID | None = None
        self._count = self._done = self._made = self._first = 0
        self._began = time.monotonic()

    def __enter__(self) -> LiveProgress:
        if self.console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[facts]}"))
            self._bars = Progress(*columns, console=self.console, transient=True)
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def planned(self, runs: int, finished: int) -> None:
        """Say how much there is to do."""
        with self._lock:
            self._count, self._done, self._began = runs, finished, time.monotonic()
            if finished:
                self._say(f"{finished} of {runs} runs are there already")
            if self._bars is not None:
                self._all = self._bars.add_task("all runs", total=runs, completed=finished, facts="")

    def features(self, done: int, images: int) -> None:
        """Move the line of the features that a frozen backbone makes once."""
        with self._lock:
            if self._features is None:
                self._began = time.monotonic()
                self._first = done
                self._say(f"computing the features of {images:,} images, once; they are kept for every method and seed")
                if self._bars is not None:
                    self._features = self._bars.add_task("features", total=images, facts="")
                else:
                    self._features = TaskID(-1)
            if self._bars is not None:
                left = (time.monotonic() - self._began) / max(1, done - self._first) * (images - done)
                self._bars.update(self._features, completed=done, facts=f"about {duration(left)} left")

    def step(self, step: Step) -> None:
        """Move the run's line."""
        with self._lock:
            if self._bars is None:
                return
            if step.run not in self._runs:
                self._runs[step.run] = self._bars.add_task(escape(step.run), total=step.steps, facts="")
            self._bars.update(self._runs[step.run], completed=step.step, facts=facts(step))

    def finished(self, run: str, says: str) -> None:
        """Write a line for the run and take its bar away."""
        with self._lock:
            self._done += 1
            self._made += 1
            self._say(f"[{self._done}/{self._count}] {run}: {says}")
            if self._bars is not None and run in self._runs:
                self._bars.remove_task(self._runs.pop(run))
            if self._bars is not None and self._all is not None:
                left = (time.monotonic() - self._began) / self._made * (self._count - self._done)
                self._bars.update(self._all, completed=self._done, facts=f"about {duration(left)} left")

    def note(self, text: str) -> None:
        """Write what a person should know."""
        with self._lock:
            self._say(f"! {text}")

    def _say(self, text: str) -> None:
        self.console.print(escape(text), highlight=False, soft_wrap=True)


def facts(step: Step) -> str:
    """The words beside a run's bar."""
    words = [f"loss {step.loss:.4g}"]
    if step.active is not None:
        words.append(f"active {100 * step.active:.0f} %")
    if step.left is not None:
        words.append(f"{duration(step.left)} left")
    return "  ".join(words)


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(7), duration(75), duration(4000)
    ('7 s', '1 min 15 s', '1 h 6 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
