"""How much of the machine others took while a row was measured: what makes a time worth less."""

from __future__ import annotations

import os
import time
from pathlib import Path

STAT = Path("/proc/stat")
IDLE = (3, 4)
"""Fields of the line "cpu" in which nobody works: idle, and waiting for a disk."""


class Neighbours:
    """A watch that starts when it is made; `cores` says how many cores others kept busy since, None where the system
    does not tell."""

    def __init__(self) -> None:
        self._start = _now()

    def cores(self) -> float | None:
        stop = _now()
        if stop is None or self._start is None:
            return None
        wall, everybody, mine = (after - before for before, after in zip(self._start, stop))
        return round(max(everybody - mine, 0) / wall, 2) if wall > 0 else 0.0


def _now() -> tuple[float, float, float] | None:
    """Seconds: of the clock, that all cores have worked, that this process and its ended children have."""
    if not STAT.exists():
        return None
    ticks = [int(word) for word in STAT.read_text().splitlines()[0].split()[1:9]]
    busy = sum(ticks) - sum(ticks[field] for field in IDLE)
    return time.perf_counter(), busy / os.sysconf("SC_CLK_TCK"), sum(os.times()[:4])
