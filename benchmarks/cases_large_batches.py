"""Large batches in blocks: InfoNCE and, on a GPU, SupCon against their three products in tiles; memory of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from batches import unit_rows
from contenders import our_loss, ours
from harness import OURS, Answer, Case, Contender, Setup, Target
from placement import here, on_gpu, placed
from torch import Tensor

TEMPERATURE = 0.07
TILE = 1 << 22
"""Numbers in a tile of the floor: rows of anchors x all keys."""

PRODUCTS = "products in tiles"
PAPER = 67e12
"""Multiplications and additions a second of an H200 in float32, without tensor cores."""


class Views(NamedTuple):
    """Two views (N, D) of the same samples, row by row; both ask for a gradient."""

    queries: Tensor
    keys: Tensor


def _views(count: int, dtype: torch.dtype = torch.float32, dimensions: int = 128) -> Views:
    generator = torch.Generator().manual_seed(5)
    queries = torch.randn(count, dimensions, generator=generator)
    keys = queries + torch.randn(count, dimensions, generator=generator)
    unit = (torch.nn.functional.normalize(rows).to(dtype) for rows in (queries, keys))
    return Views(*(placed(rows.requires_grad_()) for rows in unit))


def _run(call: Callable[[Tensor, Tensor], Tensor], views: Views) -> Answer:
    views.queries.grad = views.keys.grad = None
    with torch.autocast(here().type, enabled=views.queries.dtype == torch.bfloat16):
        value = call(*views)
    value.backward()
    return {"value": value.detach(), **_gradients(views)}


def _gradients(views: Views) -> dict[str, Tensor]:
    gradients = {"of queries": views.queries.grad, "of keys": views.keys.grad}
    return {name: gradient for name, gradient in gradients.items() if gradient is not None}


def _tiles(count: int) -> Iterator[slice]:
    size = min(512, max(64, TILE // count))
    return (slice(start, start + size) for start in range(0, count, size))


def _own(queries: Tensor) -> Tensor:
    return torch.arange(len(queries), device=queries.device)


def _plain(queries: Tensor, keys: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(queries @ keys.T / TEMPERATURE, _own(queries))


def _exact(views: Views) -> Answer:
    """In float64, some queries at a time."""
    wide = Views(*(rows.detach().double().requires_grad_() for rows in views))
    total = 0.0
    for rows in _tiles(len(wide.queries)):
        logits = wide.queries[rows] @ wide.keys.T / TEMPERATURE
        right = _own(wide.queries)[rows]
        part = torch.nn.functional.cross_entropy(logits, right, reduction="sum") / len(wide.queries)
        part.backward()
        total += float(part)
    return {"value": total, **_gradients(wide)}


def _products(views: Views) -> Answer:
    queries, keys = (rows.detach() for rows in views)
    to_queries, to_keys, buffer = torch.empty_like(queries), torch.zeros_like(keys), None
    for rows in _tiles(len(queries)):
        buffer = queries.new_empty(len(queries[rows]), len(keys)) if buffer is None else buffer[: len(queries[rows])]
        torch.mm(queries[rows], keys.T, out=buffer)
        torch.mm(buffer, keys, out=to_queries[rows])
        to_keys.addmm_(buffer.T, queries[rows])
    return {}


def _info_nce(small: bool, *, count: int, dtype: torch.dtype = torch.float32) -> Setup:
    views = _views(256 if small else count, dtype)
    loss = our_loss("nt-xent", temperature=TEMPERATURE, distance="inner-product")
    same = _own(views.queries)
    contenders = [
        Contender(OURS, partial(_run, lambda q, k: loss(q, same, k, same), views), "ours", peak=True),
        Contender("plain torch", partial(_run, _plain, views), peak=True),
        Contender(PRODUCTS, partial(_products, views), "floor"),
    ]
    return Setup(contenders, partial(_exact, views), [_arithmetic(views)])


def _sup_con(small: bool, *, count: int, dtype: torch.dtype) -> Setup:
    batch = unit_rows(256 if small else count, 4)
    rows = batch.rows.detach().to(dtype).requires_grad_()
    views = Views(rows, rows)
    loss = our_loss("supcon", temperature=TEMPERATURE)
    contenders = [
        Contender(OURS, partial(_run, lambda one, _: loss(one, batch.labels), views), "ours", peak=True),
        Contender(PRODUCTS, partial(_products, views), "floor"),
    ]
    return Setup(contenders, None, ["no oracle of this size", _arithmetic(views)])


def _arithmetic(views: Views) -> str:
    """What the three products are, and what they take where a GPU reaches what is printed of it."""
    count, width = views.queries.shape
    work = 6 * len(views.keys) * count * width
    return f"three products: {work / 1e9:.0f} GFLOP, {1e3 * work / PAPER:.1f} ms at {PAPER / 1e12:.0f} TFLOP/s (H200, float32, on paper)"


def _alone(small: bool, *, name: str, count: int) -> Setup:
    batch = unit_rows(256 if small else count, 4)
    return Setup([ours(our_loss(name), batch)])


CASES = [
    Case(
        "large/InfoNCE B=16384",
        partial(_info_nce, count=16384),
        [Target("cost", 1.2, PRODUCTS), Target("memory", 60), Target("error", 1e-6)],
    ),
    *(
        Case(f"large/{name} B=32768", partial(_alone, name=name, count=32768), [Target("memory", 150)], timed=False)
        for name in ("supcon", "lifted", "multi-similarity")
    ),
]

if on_gpu():
    CASES += [
        Case(f"large/{title} B=65536, {name}", partial(make, count=65536, dtype=dtype), tolerance=tolerance, agree=agree)
        for title, make in (("InfoNCE", _info_nce), ("supcon", _sup_con))
        for name, dtype, tolerance, agree in (
            ("float32", torch.float32, 1e-5, 1e-3),
            ("bf16", torch.bfloat16, 1e-2, 5e-2),  # gradients are rounded to it
        )
    ]
