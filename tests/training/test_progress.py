"""The bar shows what a person waits for, and is silent off a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from nearkin.training import ProgressBar, StepReport


def report(step: int, **changes: object) -> StepReport:
    values = {
        "step": step, "steps": 4, "epoch": 0, "loss": 0.125, "active": 0.42, "positive": 1.0, "negative": 2.0,
        "validation": None, "seconds_left": 61.0, "notes": (),
    }  # fmt: skip
    return StepReport(**{**values, **changes})  # type: ignore[arg-type]


def drawn(terminal: bool, *reports: StepReport) -> str:
    text = io.StringIO()
    with ProgressBar("digits [bold]", console=Console(file=text, force_terminal=terminal, width=120)) as bar:
        for each in reports:
            bar(each)
    return text.getvalue()


def test_a_terminal_sees_loss_active_share_validation_and_time_left() -> None:
    text = drawn(True, report(1, validation=0.875), report(2))
    for words in ("digits [bold]", "2/4", "loss 0.125", "active 42 %", "validation 0.875", "1:01 left"):
        assert words in text


def test_notes_are_printed_as_they_are() -> None:
    assert "step 2: [red]shrunk" in drawn(True, report(2, notes=("step 2: [red]shrunk",)))


def test_what_a_loss_does_not_have_is_left_out() -> None:
    assert "active" not in drawn(True, report(1, active=None))


def test_nothing_is_written_off_a_terminal() -> None:
    assert drawn(False, report(1), report(2, notes=("something",))) == ""


def test_a_bar_may_be_called_outside_its_context() -> None:
    ProgressBar(console=Console(file=io.StringIO(), force_terminal=True))(report(1))
