"""Training on a terminal: a bar with the loss, the share of active terms, the validation and the time left."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn


@dataclass(frozen=True)
class StepReport:
    """What `train` tells its `on_step` after every step.

    active, validation: None where the loss or the step has none
    seconds_left:       an estimate from this session's steps
    notes:              what was noticed at this step, in words
    """

    step: int
    steps: int
    epoch: int
    loss: float
    active: float | None
    positive: float
    negative: float
    validation: float | None
    seconds_left: float
    notes: tuple[str, ...]


class ProgressBar:
    """An `on_step` that draws: `with ProgressBar("digits") as bar: train(..., on_step=bar)`. Silent off a terminal."""

    def __init__(self, title: str = "training", *, console: Console | None = None) -> None:
        self.title = title
        self.console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._validation: float | None = None

    def __enter__(self) -> ProgressBar:
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[facts]}"),
            )
            self._bar = Progress(*columns, console=self.console)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __call__(self, report: StepReport) -> None:
        """Draw one step."""
        if self._bar is None:
            return
        if report.validation is not None:
            self._validation = report.validation
        if self._task is None:
            self._task = self._bar.add_task(escape(self.title), total=report.steps, facts="")
        for note in report.notes:
            self._bar.console.print(escape(note), style="yellow", highlight=False)
        self._bar.update(self._task, completed=report.step, facts=facts(report, self._validation))


def facts(report: StepReport, validation: float | None) -> str:
    """The words beside the bar.

    >>> facts(StepReport(3, 9, 1, 0.25, 0.5, 1.0, 2.0, None, 75.0, ()), 0.9)
    'loss 0.25  active 50 %  validation 0.9  1:15 left'
    """
    words = [f"loss {report.loss:.4g}"]
    if report.active is not None:
        words.append(f"active {report.active:.0%}".replace("%", " %"))
    if validation is not None:
        words.append(f"validation {validation:.4g}")
    minutes, seconds = divmod(round(report.seconds_left), 60)
    words.append(f"{minutes}:{seconds:02d} left")
    return "  ".join(words)
