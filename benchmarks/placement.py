"""The device that losses are measured on: the CPU, or a GPU with `--device cuda`."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

ROWS = r"^(triplets|losses|distances|large|small)/"
"""Cases that a GPU runs: those of losses."""

_chosen = torch.device("cpu")


def use(name: str) -> None:
    """Choose it, before any case is made."""
    global _chosen
    if name != "cpu" and not torch.cuda.is_available():
        raise SystemExit(f"--device {name}: there is no CUDA device here")
    _chosen = torch.device(name)


def here() -> torch.device:
    """The device of all data."""
    return _chosen


def on_gpu() -> bool:
    """Whether it is no CPU."""
    return _chosen.type != "cpu"


def placed(rows: Tensor) -> Tensor:
    """The same numbers there; a leaf that asks for a gradient stays one."""
    return rows.detach().to(_chosen).requires_grad_(rows.requires_grad)


def clock(threads: int) -> Callable[[], float]:
    """Seconds: of the CPU for one thread, of the wall for two; on a GPU of the wall, once its work is done."""
    if on_gpu():
        return _settled
    return time.process_time if threads == 1 else time.perf_counter


def _settled() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def peak(run: Callable[[], object]) -> float:
    """Megabytes (2^20) of the GPU that a run takes beyond what is held before it."""
    run()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20
