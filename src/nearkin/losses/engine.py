"""The row engine: one equation over a block of rows gives every form of a loss.

A loss is written as `rows(block) -> Terms`. From it alone come the dense and the blocked form, references of any
origin, own columns, ready triplets, several processes, values of single anchors and measurements.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from nearkin.core import InputError, choice, integer
from nearkin.core.tensors import Block, Own, Terms, added, full_precision, masked_sum, traced
from nearkin.distances import Distance, make_distance
from nearkin.losses.block_sweep import BlockSweep
from nearkin.losses.call import Call, arrange
from nearkin.losses.closed import Closed, Tile
from nearkin.losses.closed_sweep import ByHand, Found, closed_loss
from nearkin.losses.finite import check_value, fits
from nearkin.losses.group import as_group, gathered

DENSE_LIMIT = 1 << 21
"""Pairs up to which `block_size="auto"` takes the dense form."""

CLOSED_LIMIT = 1 << 20
"""The same for a loss that makes its slopes by hand, with each block, in buffers that are kept from call to call."""

WHOLE_LIMIT = 1 << 24
"""The same for a loss whose closed form needs the whole batch."""

PRECISE = 1 << 14
"""Distances that are in float64 without being asked: of so few, the near ones of tight classes would take longer twice."""

BLOCK_NUMBERS = 7 << 19
"""Distances in the buffer of a block that `block_size="auto"` chooses."""

LARGEST = 512
"""Anchors of the largest of these blocks: of more, a block leaves the cache and takes no less time."""


class Measure(NamedTuple):
    """What happened in a batch.

    value:    the loss, in the graph
    active:   share of terms above 0; None for a loss whose terms are never 0
    positive: mean distance of the positive pairs; NaN without one
    negative: mean distance of the negative pairs; NaN without one
    """

    value: Tensor
    active: float | None
    positive: float
    negative: float


class RowLoss(nn.Module):
    """A loss that is a mean over rows of anchors: `loss(embeddings, labels)` is a scalar.

    A loss of your own is a subclass with one method, `rows(block) -> Terms`, or a tuple of `parts` Terms, each a mean
    of its own; the loss is their sum. `nearkin.testing.check_loss(loss)` then runs the library's checks on it.

    distance:   name or Distance
    reduction:  "mean" over valid terms, zeros included; "sum" of them; where terms can be 0, also "mean_nonzero" over
                terms above 0 (the divisor is a constant for the gradient)
    block_size: "auto" (dense for small batches, blocks for large ones), None (always dense), or anchors a block

    Class facts: `parts` Terms that `rows` returns; `uniforms` numbers drawn an anchor, for a random miner; `distances`
    the names that the loss works with, where it reads absolute similarities; `tuples` whether a batch without
    references is read as N-pair input (the first two members of each class); `precise` whether its rows see distances in
    float64 (where a scale of 64 would multiply the rounding of float32 ones), or the number of pairs up to which they do
    (half as many with references); `mild` whether its closed form may take float32 all the same, where rows are long and kin
    lie apart (it multiplies no rounding);
    `exact_gradient` whether the gradient is the slope of the value (not where the equation makes a part of itself a
    constant).
    """

    parts: int = 1
    uniforms: int = 0
    tuples: bool = False
    exact_gradient: bool = True
    precise: int = PRECISE
    mild: bool = False
    _weighed: bool = True  # `weights` belongs to `combine`
    distances: ClassVar[tuple[str, ...] | None] = None
    reductions: ClassVar[tuple[str, ...]] = ("mean", "sum")

    def __init__(
        self,
        distance: Distance | str = "euclidean",
        *,
        reduction: str = "mean",
        block_size: int | str | None = "auto",
    ) -> None:
        super().__init__()
        self.distance = make_distance(distance)
        self.reduction = choice("reduction", reduction, self.reductions)
        self.block_size = block_size if block_size in (None, "auto") else integer("block_size", block_size, minimum=1)
        self._said_empty = False
        if self.distances and not isinstance(
            self.distance, tuple(type(make_distance(name)) for name in self.distances)
        ):
            raise InputError(
                f"{type(self).__name__} reads absolute similarities and works with distance "
                f"{' or '.join(map(repr, self.distances))}, not {type(self.distance).__name__}"
            )

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        changed = {name for name in vars(cls) if name[0] != "_" and callable(getattr(cls.__base__, name, None))}
        if changed - {"extra_repr"} and "closed" not in vars(cls):
            cls.closed = None
        cls._weighed = _owner(cls, "combine") is _owner(cls, "weights")

    def rows(self, block: Block) -> Terms | tuple[Terms, ...]:
        """The loss's equation over a block of rows: the sum of its terms and their number."""
        raise NotImplementedError(f"{type(self).__name__} needs rows(block) -> Terms")

    closed: Callable[[Tile], Closed] | None = None
    """Optional: the same equation with its slopes made by hand, `closed(tile) -> Closed`, for speed where kin is decided by
    class indices. None on an object whose settings have no such form. A subclass that overrides anything of a loss and no
    `closed` is computed from its `rows`."""

    learns: tuple[str, ...] = ()
    """Names of the parameters that `closed` gives slopes of, in `Closed.learned`. With others the loss takes `rows`."""

    closed_whole: bool = False
    """The closed form is for a batch that is its own set of references, and needs all rows at once or `ahead`."""

    ahead: Callable[[Tile], Tensor] | None = None
    """Optional first sweep of a closed form over blocks, a method `ahead(tile) -> (b, 1)`; `closed` finds what it said of
    all as `tile.ahead`. Where distances are symmetric only."""

    prepare: Callable[[Block], Tensor] | None = None
    """Optional first sweep, a method `prepare(block) -> (b,)`; `rows` finds it as `block.row` and `block.column`."""

    def combine(self, totals: Tensor, divisors: Tensor) -> Tensor:
        """The loss from its totals (parts,) and their divisors (parts,): a sum of means, or of totals under "sum"."""
        if self.reduction == "sum":
            return totals.sum()
        return (totals * (1 / divisors).nan_to_num(posinf=0)).sum()

    def weights(self, divisors: list[float]) -> list[float]:
        """What `combine` multiplies each total with, as numbers. A class that overrides one of the two overrides both,
        or its closed form asks `combine` for its slopes."""
        return [1.0] * len(divisors) if self.reduction == "sum" else [1 / each if each else 0.0 for each in divisors]

    def forward(
        self,
        embeddings: Tensor,
        labels: Any = None,
        references: Tensor | None = None,
        reference_labels: Any = None,
        *,
        ids: Tensor | None = None,
        reference_ids: Tensor | None = None,
        own: Own | None = None,
        triplets: Any = None,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
        group: Any = None,
    ) -> Tensor:
        """The loss of a batch, a scalar in float32 (in float64 for float64 embeddings).

        embeddings:       (N, D) anchors; without references also the columns, self excluded by position
        labels:           (N,) integers, (N, C) multi-hot, or a rule of `nearkin.pairs`; None with own or triplets
        references:       (R, D) columns instead of the batch, with reference_labels of the same kind as labels
        ids:              (N,), and reference_ids (R,), integers: where they agree two rows are one sample and no pair
        own:              columns of one row alone, Own(vectors (N, K, D), positives (N, K), negatives (N, K))
        triplets:         ready indices (anchor, positive, negative): (T, 3), or a tuple of three tensors or arrays (T,);
                          a slower path
        noise, generator: uniforms (N, T) of a random miner, or the generator that draws them
        group:            a torch.distributed group: columns come from everybody, the value is the joint one, the
                          gradient is this process's share times the number of processes (DDP averages)

        Errors:  InputError for shapes, kinds and NaN, and where distances or the loss overflow (not inside torch.compile).
                 A batch without valid terms gives 0, in the graph, and a warning
        """
        call = self._arranged(
            embeddings, labels, references, reference_labels, ids=ids, reference_ids=reference_ids, own=own,
            triplets=triplets, noise=noise, generator=generator, group=group,
        )  # fmt: skip
        with full_precision(embeddings.device):
            return self._loss(call)[0]

    def measure(self, *arguments: Any, **keywords: Any) -> Measure:
        """The same sweep with what happened in it; takes what the call takes."""
        call = self._arranged(*arguments, **keywords)
        with full_precision(call.embeddings.device):
            value, sums = self._loss(call, measured=True)
        totals, counts, active = sums if isinstance(sums, list) else sums.tolist()
        share = min(sum(active[:-2]) / max(sum(counts[:-2]), 1), 1.0)  # sums of weights are rounded
        positive, negative = (total / count if count else math.nan for total, count in zip(totals[-2:], counts[-2:]))
        return Measure(value, None if math.isnan(share) else share, positive, negative)

    def per_anchor(self, *arguments: Any, **keywords: Any) -> Tensor:
        """The loss of each anchor's own terms, (N,), in the graph; 0 for an anchor without terms.

        The loss itself is the mean of these weighted by each anchor's number of terms. A row at a time: slow.
        """
        call = self._arranged(*arguments, **keywords)
        call.check()
        with full_precision(call.embeddings.device):
            sweep = BlockSweep(self._entries, call, *self._prepared(call, None))
            sums = [sweep.dense(start, start + 1) for start in range(len(call.anchors))]
            rows = [self.combine(entry[0], self._divisors(entry)) for entry in sums]
            if not rows:
                return call.anchors.new_zeros(0, dtype=call.answer)
            values = torch.stack(rows).to(call.answer)
        counts = torch.stack([entry[1] for entry in sums])
        some = check_value(type(self).__name__, values.sum(), *call.rows(), counts=counts)
        return values if some or fits(values, *call.rows()) else torch.zeros_like(values) + call.nothing()

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return f"reduction={self.reduction!r}"

    def _arranged(self, *arguments: Any, group: Any = None, **keywords: Any) -> Call:
        return arrange(
            self.distance, *arguments, group=None if group is None else as_group(group), tuples=self.tuples, uniforms=self.uniforms,
            precise=self.precise, **keywords,
        )  # fmt: skip

    def _size(self, call: Call, *, by_hand: bool = False) -> int | None:
        """Anchors a block, or None: dense. Slopes made by hand with the block are as fast in blocks that stay in the cache."""
        if self.block_size is None:
            return None
        anchors, columns = call.size
        if self.block_size != "auto":
            return int(self.block_size) if int(self.block_size) < anchors else None
        limit = DENSE_LIMIT
        if by_hand and (self.closed_whole or self.parts == 1):
            limit = WHOLE_LIMIT if self.closed_whole else CLOSED_LIMIT
        return None if anchors * columns <= limit else min(LARGEST, max(64, BLOCK_NUMBERS // max(columns, 1)))

    def _loss(self, call: Call, measured: bool = False) -> tuple[Tensor, list[list[float]] | Tensor]:
        """The checked loss, and the sums it is made of."""
        found = self._closed_loss(call, measured)
        if found is None:
            call.check()
            sums = self._sums(call, None if traced() else self._size(call), measured)
            value = self._value(call, sums)
            if not traced() and not check_value(type(self).__name__, value, *call.rows(), counts=sums[1, : self.parts]):
                self._say_empty()
                if not fits(value, *call.rows()):  # slopes of what overflows are NaN, though no term has any
                    value = call.nothing()
            return value, sums.detach()
        value, counts = found.value, found.sums[1][: self.parts]
        if not found.finite:
            terms = value.new_tensor([*counts, call.torn()])  # a miner may have found none among distances that overflow
            if not check_value(type(self).__name__, value, *call.rows(), counts=terms):
                value = call.nothing()
        if not any(counts):
            self._say_empty()
        return value, found.sums

    def _closed_loss(self, call: Call, measured: bool) -> Found | None:
        if self.closed is None or traced():
            return None
        size = self._size(call, by_hand=True)
        if not self._takes_closed(call, size):
            return None
        doubles = size is None or (self.block_size == "auto" and self._size(call) is None)
        learned = [each for each in map(self._parameters.get, self.learns) if each is not None]
        ahead = None if size is None else self.ahead
        active = self.reduction == "mean_nonzero"
        mild = self.mild and self.precise is not True
        by_hand = ByHand(self.closed, ahead, learned, self.parts, self._reduced, active, mild)
        return closed_loss(by_hand, call, size, measured=measured, again=self._again if doubles else None)

    def _again(self, call: Call) -> Tensor:
        return self._value(call, self._sums(call, None))

    def _reduced(self, totals: list[float], counts: list[float], active: list[float]) -> tuple[float, list[float]]:
        """The loss as a number, and its slope towards each total."""
        divisors = active if self.reduction == "mean_nonzero" else counts
        if self._weighed:
            weights = self.weights(divisors)
            value = 0.0
            for weight, total in zip(weights, totals):
                if weight:  # the total of no terms may be no number
                    value += weight * total
            return value, weights
        with torch.enable_grad():
            wide = torch.tensor(totals, dtype=torch.float64, requires_grad=True)
            joint = self.combine(wide, torch.tensor(divisors, dtype=torch.float64))
            (slopes,) = torch.autograd.grad(joint, wide)
        return float(joint.detach()), slopes.tolist()

    def _sums(self, call: Call, size: int | None, measured: bool = False) -> Tensor:
        """(3, parts): totals, counts, active counts of the joint batch; two more columns of pairs where measured."""
        entries = self._measured_entries if measured else self._entries
        row, column = self._prepared(call, size)
        eager = self.parts == 1 and row is None
        sums = BlockSweep(entries, call, row, column).sweep(size, list(self.parameters()), rows=False, eager=eager)
        if call.group is None:
            return sums
        joint = call.group.sum(sums.detach())
        return joint + (sums - sums.detach())

    def _takes_closed(self, call: Call, size: int | None) -> bool:
        others = self._parameters and any(
            each is not None and name not in self.learns for name, each in self._parameters.items()
        )
        if others or len(self._modules) > 1:
            return False  # nobody makes their slopes by hand
        whole = size is None or self.ahead is not None
        return not self.closed_whole or (whole and call.alone and call.group is None)

    def _prepared(self, call: Call, size: int | None) -> tuple[Tensor | None, Tensor | None]:
        if self.prepare is None:
            return None, None
        parameters = list(self.parameters())
        row = BlockSweep(self.prepare, call).sweep(size, parameters, rows=True)
        if call.alone:
            return row, gathered(row, call.group)[0]
        return row, BlockSweep(self.prepare, call.as_columns()).sweep(size, parameters, rows=True)

    def _entries(self, block: Block) -> Tensor:
        terms = self.rows(block)
        several = (terms,) if isinstance(terms, Terms) else tuple(terms)
        if self.reduction == "mean_nonzero" and any(term.active is None for term in several):
            raise InputError(f"reduction='mean_nonzero' needs Terms(..., active) of {type(self).__name__}.rows")
        attached = added(block.anchors[:0])
        nan = torch.full_like(attached, torch.nan)
        return torch.stack(
            [
                torch.stack([term.total.to(attached.dtype) + attached for term in several]),
                torch.stack([term.count.detach().to(attached.dtype) for term in several]),
                torch.stack([nan if term.active is None else term.active.detach().to(nan.dtype) for term in several]),
            ]
        )

    def _measured_entries(self, block: Block) -> Tensor:
        distances = block.distances.detach()
        columns = [
            torch.stack([added(masked_sum(distances, mask)), added(mask.sum(1)), added(distances[:0])])
            for mask in (block.positives, block.negatives)
        ]
        return torch.cat([self._entries(block), torch.stack(columns, 1)], 1)

    def _divisors(self, sums: Tensor) -> Tensor:
        return (sums[2] if self.reduction == "mean_nonzero" else sums[1]).detach()

    def _value(self, call: Call, sums: Tensor) -> Tensor:
        """The loss out of its sums; its gradient is this process's share times the number of processes."""
        totals, counts, active = (sums if sums.shape[1] == self.parts else sums[:, : self.parts]).unbind()
        divisors = active if self.reduction == "mean_nonzero" else counts
        value = self.combine(totals, divisors.detach()).to(call.answer)
        world = 1 if call.group is None else call.group.size
        return value if world == 1 else value + (world - 1) * (value - value.detach())

    def _say_empty(self) -> None:
        if not self._said_empty:
            self._said_empty = True
            warnings.warn(
                f"{type(self).__name__}: this batch has no valid term (no positive pair, no negative pair, one sample, "
                "or nothing that the miner keeps); its loss is 0. Said once.",
                stacklevel=4,
            )


def _owner(cls: type, name: str) -> type:
    return next(each for each in cls.__mro__ if name in vars(each))
