"""Checks for losses of your own: `check_loss(MyLoss())` runs what the library runs on its own and prints a table."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nearkin.losses import Own, RowLoss

__all__ = ["CheckFailed", "Result", "check_loss"]

TOLERANCE = 1e-9


class Result(NamedTuple):
    """One check: its name, whether it passed (None: does not apply) and what was seen."""

    check: str
    passed: bool | None
    seen: str


class CheckFailed(AssertionError):
    """A loss failed at least one check; the message is the table."""


def check_loss(loss: RowLoss, *, dimensions: int = 5, seed: int = 0, quiet: bool = False) -> list[Result]:
    """Check a loss in every mode of the engine, on small lopsided random batches in float64; print a table.

    Value and gradient (to the embeddings, the references and every parameter) must agree between the dense and the
    blocked form, the batch and references with ids, shared and own columns, one process and two; the gradient must be
    the slope of the value; degenerate batches must give 0 or a finite value, in the graph.

    Errors:  CheckFailed, with the table, if a check fails
    """
    loss = copy.deepcopy(loss).double()
    batch = _batch(loss, dimensions, seed)
    results = [_run(name, check, loss, batch) for name, check in CHECKS.items()]
    table = _table(loss, results)
    if not quiet:
        print(table)
    if any(result.passed is False for result in results):
        raise CheckFailed(table)
    return results


class _Batch(NamedTuple):
    embeddings: Tensor
    labels: Tensor
    more: dict[str, Any]  # noise of a random miner


class _Skip(Exception):
    """A check does not apply; the message says why."""


def _batch(loss: RowLoss, dimensions: int, seed: int) -> _Batch:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.tensor([0, 1, 0, 2, 1, 0, 3, 1, 0, 2, 0])  # unequal classes, one of a single member
    embeddings = torch.randn(len(labels), dimensions, generator=generator, dtype=torch.float64)
    noise = torch.rand(len(labels), loss.uniforms, generator=generator, dtype=torch.float64)
    return _Batch(embeddings, labels, {"noise": noise} if loss.uniforms else {})


def _run(name: str, check: Callable[[RowLoss, _Batch], str], loss: RowLoss, batch: _Batch) -> Result:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Result(name, True, check(loss, batch))
    except _Skip as reason:
        return Result(name, None, str(reason))
    except Exception as error:
        return Result(name, False, f"{type(error).__name__}: {error}".splitlines()[0])


def _table(loss: RowLoss, results: list[Result]) -> str:
    width = max(len(result.check) for result in results)
    words = {True: "pass", False: "FAIL", None: "  - "}
    lines = [f"{words[result.passed]}  {result.check:<{width}}  {result.seen}" for result in results]
    return "\n".join(
        [f"{type(loss).__name__}: {sum(r.passed is False for r in results)} of {len(results)} checks failed", *lines]
    )


@contextmanager
def _blocks(loss: RowLoss, size: int | str | None) -> Iterator[None]:
    before, loss.block_size = loss.block_size, size
    try:
        yield
    finally:
        loss.block_size = before


def _slopes(loss: RowLoss, *inputs: Tensor, call: Callable[..., Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Value and gradients to the inputs and to every parameter."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    value = call(*leaves)
    if value.dim() or not value.requires_grad:
        raise AssertionError(
            f"the value must be a scalar in the graph, got shape {tuple(value.shape)}, requires_grad={value.requires_grad}"
        )
    wanted = [*leaves, *loss.parameters()]
    found = torch.autograd.grad(value, wanted, allow_unused=True)
    return value.detach(), [torch.zeros_like(w) if g is None else g for w, g in zip(wanted, found)]


def _agree(name: str, got: tuple[Tensor, list[Tensor]], wanted: tuple[Tensor, list[Tensor]]) -> float:
    worst = 0.0
    for what, a, b in [("value", got[0], wanted[0]), *(("gradient", a, b) for a, b in zip(got[1], wanted[1]))]:
        error = float((a - b).abs().max()) if a.numel() else 0.0
        if not error <= TOLERANCE * (1 + float(b.abs().max() if b.numel() else 0)):
            raise AssertionError(f"{name}: {what} differs by {error:.1e}")
        worst = max(worst, error)
    return worst


def _dense(loss: RowLoss, batch: _Batch) -> tuple[Tensor, list[Tensor]]:
    with _blocks(loss, None):
        return _slopes(loss, batch.embeddings, call=lambda x: loss(x, batch.labels, **batch.more))


def _check_gradient(loss: RowLoss, batch: _Batch) -> str:
    if not loss.exact_gradient:
        raise _Skip("a part of the equation is a constant for the gradient")
    _, gradients = _dense(loss, batch)
    generator, step, worst = torch.Generator().manual_seed(1), 1e-6, 0.0
    for _ in range(3):
        way = torch.randn(batch.embeddings.shape, generator=generator, dtype=torch.float64)
        there, back = (loss(batch.embeddings + sign * step * way, batch.labels, **batch.more) for sign in (1, -1))
        slope = float((there - back) / (2 * step))
        promised = float((gradients[0] * way).sum())
        worst = max(worst, abs(slope - promised) / (1 + abs(slope)))
    if worst > 1e-5:
        raise AssertionError(f"the gradient is not the slope of the value: off by {worst:.1e}")
    return f"slope within {worst:.0e}"


def _check_blocked(loss: RowLoss, batch: _Batch) -> str:
    wanted, worst = _dense(loss, batch), 0.0
    for size in (1, 3, 7):
        with _blocks(loss, size):
            got = _slopes(loss, batch.embeddings, call=lambda x: loss(x, batch.labels, **batch.more))
        worst = max(worst, _agree(f"blocks of {size}", got, wanted))
    return f"within {worst:.0e}"


def _check_references(loss: RowLoss, batch: _Batch) -> str:
    if loss.tuples:
        raise _Skip("a batch alone is read as N-pair tuples")
    ids = torch.arange(len(batch.labels))
    wanted = _dense(loss, batch)
    more = {**batch.more, "ids": ids, "reference_ids": ids}
    value, gradients = _slopes(
        loss, batch.embeddings, batch.embeddings, call=lambda x, z: loss(x, batch.labels, z, batch.labels, **more)
    )
    joint = [gradients[0] + gradients[1], *gradients[2:]]
    return f"within {_agree('references with ids', (value, joint), wanted):.0e}"


def _check_own(loss: RowLoss, batch: _Batch) -> str:
    if loss.prepare is not None or loss.tuples:
        raise _Skip("the loss asks about columns that belong to nobody else")
    x, y = batch.embeddings, batch.labels
    other = ~torch.eye(len(y), dtype=torch.bool)
    same = y[:, None] == y
    wanted = _dense(loss, batch)
    value, gradients = _slopes(
        loss, x, x,
        call=lambda a, z: loss(a, own=Own(z.expand(len(y), -1, -1), same & other, ~same & other), **batch.more),
    )  # fmt: skip
    if any(True for _ in loss.parameters()) and _reads_labels(loss, batch):
        raise _Skip("the loss has a parameter a class, which own columns alone do not name")
    return f"within {_agree('own columns', (value, [gradients[0] + gradients[1], *gradients[2:]]), wanted):.0e}"


def _reads_labels(loss: RowLoss, batch: _Batch) -> bool:
    with _blocks(loss, None):
        renamed = loss(batch.embeddings, 3 - batch.labels, **batch.more)
    return not torch.allclose(renamed, _dense(loss, batch)[0], rtol=1e-12, atol=0)


def _check_processes(loss: RowLoss, batch: _Batch) -> str:
    wanted, cut = _dense(loss, batch), 4
    parts = [slice(0, cut), slice(cut, None)]
    shares: list[Any] = [None, None]

    def work(rank: int, group: ThreadGroup) -> None:
        mine, rows = copy.deepcopy(loss), parts[rank]
        more = {name: value[rows] for name, value in batch.more.items()}
        shares[rank] = _slopes(
            mine, batch.embeddings[rows], call=lambda x: mine(x, batch.labels[rows], group=group, **more)
        )

    run_processes(work, 2)
    gradients = [torch.cat([share[1][0] for share in shares]) / 2]
    gradients += [(a + b) / 2 for a, b in zip(shares[0][1][1:], shares[1][1][1:])]
    _agree("the second process's value", (shares[1][0], []), (wanted[0], []))
    return f"within {_agree('two processes', (shares[0][0], gradients), wanted):.0e}"


def _check_order(loss: RowLoss, batch: _Batch) -> str:
    if loss.tuples or loss.uniforms:
        raise _Skip("the loss reads the order of the batch, or draws")
    order = torch.randperm(len(batch.labels), generator=torch.Generator().manual_seed(2))
    value, gradients = _dense(loss, _Batch(batch.embeddings[order], batch.labels[order], {}))
    back = [gradients[0][order.argsort()], *gradients[1:]]
    return f"within {_agree('another order', (value, back), _dense(loss, batch)):.0e}"


def _check_degenerate(loss: RowLoss, batch: _Batch) -> str:
    x = batch.embeddings
    cases = {
        "one class": (x, torch.zeros(len(x), dtype=torch.int64)),
        "no positives": (x, torch.arange(len(x))),
        "a batch of one": (x[:1], torch.zeros(1, dtype=torch.int64)),
        "an empty batch": (x[:0], torch.zeros(0, dtype=torch.int64)),
        "one point": (x[:1].expand(len(x), -1), batch.labels),
        "a zero row": (torch.cat([0 * x[:1], x[1:]]), batch.labels),
    }
    for name, (rows, labels) in cases.items():
        more = {key: value[: len(rows)] for key, value in batch.more.items()}
        for size in (None, 3):
            with _blocks(loss, size):
                value, gradients = _slopes(loss, rows, call=lambda e, y=labels, m=more: loss(e, y, **m))
            if not (value.isfinite() and all(g.isfinite().all() for g in gradients)):
                raise AssertionError(f"{name}: value or gradient is not finite")
    return f"{len(cases)} batches, finite"


def _check_dtypes(loss: RowLoss, batch: _Batch) -> str:
    wanted = _dense(loss, batch)[0]
    single = copy.deepcopy(loss).float()
    value = single(batch.embeddings.float(), batch.labels, **batch.more)
    half = single(batch.embeddings.bfloat16(), batch.labels, **batch.more)
    if value.dtype != torch.float32 or half.dtype != torch.float32:
        raise AssertionError(
            f"float32 and bfloat16 embeddings must give a float32 loss, got {value.dtype}, {half.dtype}"
        )
    error = float((value - wanted).abs() / (1 + wanted.abs()))
    if not error < 1e-5:
        raise AssertionError(f"float32 differs from float64 by {error:.1e}")
    return f"float32 within {error:.0e}"


def _check_twice(loss: RowLoss, batch: _Batch) -> str:
    with _blocks(loss, 3):
        x = batch.embeddings.clone().requires_grad_()
        value = loss(x, batch.labels, **batch.more)
        try:
            torch.autograd.grad(value, x, create_graph=True)
        except RuntimeError as error:
            if "block_size=None" in str(error):
                return "the blocked form refuses a double backward in words"
            raise
    raise AssertionError("the blocked form let a double backward pass")


def _check_memory(loss: RowLoss, batch: _Batch) -> str:
    before = {name: value.clone() for name, value in loss.state_dict().items()}
    again = copy.deepcopy(loss)
    again.load_state_dict(before)
    first, second = (_dense(one, batch)[0] for one in (loss, again))
    if not torch.equal(first, second) or any(not torch.equal(before[k], v) for k, v in loss.state_dict().items()):
        raise AssertionError("a second call gives another value: something is left on the object")
    measure = loss.measure(batch.embeddings, batch.labels, **batch.more)
    if not torch.allclose(measure.value, first, rtol=1e-12):
        raise AssertionError("measure gives another value than the call")
    return "the same value again, by measure, and from its state_dict"


CHECKS: dict[str, Callable[[RowLoss, _Batch], str]] = {
    "gradient is the slope": _check_gradient,
    "blocked = dense": _check_blocked,
    "references with ids = batch": _check_references,
    "own columns = shared columns": _check_own,
    "two processes = one": _check_processes,
    "order of the batch": _check_order,
    "degenerate batches": _check_degenerate,
    "float32 and bfloat16": _check_dtypes,
    "double backward": _check_twice,
    "nothing left behind": _check_memory,
}
"""What `check_loss` runs, by name."""


class ThreadGroup:
    """A process group of threads in one process: what `group=` of a loss needs, without torch.distributed."""

    def __init__(self, rank: int, size: int, board: list[Any], barrier: threading.Barrier) -> None:
        self.rank, self.size, self._board, self._barrier = rank, size, board, barrier

    def gather(self, rows: Tensor) -> list[Tensor]:
        """Everybody's rows, in the order of ranks."""
        self._board[self.rank] = rows.detach().clone()
        self._barrier.wait()
        everybody = list(self._board)
        self._barrier.wait()
        return everybody

    def sum(self, values: Tensor) -> Tensor:
        """The sum of everybody's values."""
        return torch.stack(self.gather(values)).sum(0)


def run_processes(work: Callable[[int, ThreadGroup], None], size: int) -> None:
    """Run `work(rank, group)` in `size` threads that stand for processes; the first error is raised here."""
    board: list[Any] = [None] * size
    barrier = threading.Barrier(size, timeout=60)
    errors: list[BaseException] = []

    def guarded(rank: int) -> None:
        try:
            work(rank, ThreadGroup(rank, size, board, barrier))
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=guarded, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise next((e for e in errors if not isinstance(e, threading.BrokenBarrierError)), errors[0])
