"""What happens in a study while it runs, told to whoever listens: a terminal, a parent process, a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Step:
    """Where the training of a run stands: `active` is the share of the loss's terms above 0, `left` in seconds."""

    run: str
    step: int
    steps: int
    loss: float
    active: float | None
    left: float | None


class Listener(Protocol):
    """Hears of a study's progress; every method may do nothing."""

    def planned(self, runs: int, finished: int) -> None:
        """The study has `runs` runs, of which `finished` were there already."""

    def step(self, step: Step) -> None:
        """A run went on."""

    def finished(self, run: str, says: str) -> None:
        """A run is complete; `says` is its outcome in a few words."""

    def note(self, text: str) -> None:
        """Something a person should know."""

    def features(self, done: int, images: int) -> None:
        """The frozen backbone has made the features of `done` of all images, which happens once."""


class Silent:
    """A listener that says nothing."""

    def planned(self, runs: int, finished: int) -> None:
        """Nothing."""

    def step(self, step: Step) -> None:
        """Nothing."""

    def finished(self, run: str, says: str) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def features(self, done: int, images: int) -> None:
        """Nothing."""
