"""Pieces of work shared out among threads, each of which runs its kernels alone.

Torch shares every single kernel out, and one that takes less than a millisecond waits longer for its threads than it
works, the more so beside other work. Pieces of some milliseconds are done one by a thread instead, from end to end.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")

_this_thread = threading.local()
_starting = threading.Lock()


def workers(device: torch.device) -> int:
    """How many threads share the work on `device`: on a CPU as many as torch has in the caller's, else one."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def is_worker() -> bool:
    """Whether this thread is one of several at work on pieces."""
    return getattr(_this_thread, "is_worker", False)


def slices(start: int, stop: int, size: int) -> list[slice]:
    """start ... stop in pieces of `size`, the last of what is left."""
    return [slice(low, min(low + size, stop)) for low in range(start, stop, size)]


def share(work: Callable[[Piece], Result], pieces: Iterable[Piece], number: int) -> list[Result]:
    """What `work` makes of each of the pieces, in their order, done by `number` threads, or in the caller's if by one.

    Pieces start in their order. An error, the first in their order, is raised here, once no thread works any more;
    pieces that nobody has begun are left out then. Modes of torch that the caller's thread is in hold for all.
    """
    pieces = list(pieces)
    number = min(number, len(pieces))
    if number < 2:
        return [work(piece) for piece in pieces]
    gradients, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    def done(piece: Piece) -> Result:
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            return work(piece)

    begun = [_crew(number).submit(done, piece) for piece in pieces]
    try:
        return _results(begun)
    finally:
        for each in begun:
            each.cancel()
        wait(begun)


def _results(begun: list[Future[Result]]) -> list[Result]:
    return [each.result() for each in begun]


@functools.cache
def _crew(number: int) -> ThreadPoolExecutor:
    """Threads that stay for the next pieces: to start some takes as long as a small piece."""
    return ThreadPoolExecutor(number, "nearkin", _work_alone)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_crew.cache_clear)  # a fork takes none of the threads along


def _work_alone() -> None:
    _set_threads(1)
    _this_thread.is_worker = True


@contextmanager
def alone(number: int) -> Iterator[None]:
    """Let torch's kernels run alone in the caller's thread between what it shares out among `number`, if that is not 1."""
    before = torch.get_num_threads()
    if number < 2 or before < 2:
        yield
        return
    _set_threads(1)
    try:
        yield
    finally:
        _set_threads(before)


def _set_threads(number: int) -> None:
    """Give kernels of this thread alone so many threads.

    Torch keeps the number for every thread that begins later, too, where it was not meant: another thread puts it back.
    """
    torch.get_num_threads()  # a thread that asks for the first time takes the number of all: it must have asked before
    with _starting:
        usual = _elsewhere(torch.get_num_threads)
        torch.set_num_threads(number)
        _elsewhere(lambda: torch.set_num_threads(usual))


def _elsewhere(work: Callable[[], Result]) -> Result:
    """What `work` makes in a thread that begins and ends for it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()
