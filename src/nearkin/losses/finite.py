"""Whether a loss and its distances fit the numbers they are computed in, and words for where they do not."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from nearkin.core import InputError
from nearkin.core.tensors import traced


class NotFinite(InputError):
    """A loss that is no finite number though the embeddings are. `brief` says what happened without what to do."""

    def __init__(self, brief: str, advice: str) -> None:
        super().__init__(f"{brief}: {advice}")
        self.brief = brief


def check_value(name: str, value: Tensor, *rows: Tensor, counts: Tensor | None = None) -> bool:
    """Raise NotFinite where the loss `value` is not finite, or squared distances between `rows` need not be.

    name: of the loss; rows: (n, D) in the distance's space; counts: of terms: without any, no distance counts.
    No squared distance is above four times the largest squared length, which must fit the dtype of `value`. One look at
    the numbers; none while a graph is compiled, where nothing raises. Returns whether there are terms
    """
    if traced():
        return True
    lengths = _lengths(value, rows)
    terms = value.new_ones(()) if counts is None else counts.detach().sum().to(value.dtype)
    numbers: list[float] = torch.stack([value.detach(), terms, *lengths]).tolist()
    some = numbers[1] != 0
    if math.isfinite(numbers[0]) and (not some or all(map(math.isfinite, numbers[2:]))):
        return some
    kind = str(value.dtype).removeprefix("torch.")
    wider = "" if kind == "float64" else ", or give them as float64"
    advice = f"a number too large for {kind} came up; make the embeddings smaller (normalise or rescale them){wider}"
    if all(map(math.isfinite, numbers[2:])):
        raise NotFinite(f"the loss is {float(value.detach())}", f"in {name} {advice}")
    size = max(float(_largest(each.detach().abs().reshape(-1))) for each in rows if len(each))
    raise NotFinite(
        "distances of the embeddings are no longer finite",
        f"in {name}, with embeddings that hold numbers up to {size:.3g}, {advice}",
    )


def fits(value: Tensor, *rows: Tensor) -> bool:
    """Whether squared distances between `rows` fit the dtype of `value`."""
    return all(map(math.isfinite, torch.stack([value.new_zeros(()), *_lengths(value, rows)]).tolist()))


def _lengths(value: Tensor, rows: Iterable[Tensor]) -> list[Tensor]:
    """What no squared distance between some of the rows is above, of each of them: four times the largest squared length."""
    return [4 * _largest(each.detach().square().sum(1)).to(value.dtype) for each in rows if len(each)]


def _largest(values: Tensor) -> Tensor:
    return values.amax() if values.numel() else values.new_zeros(())
