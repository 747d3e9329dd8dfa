"""The engine's way for losses that make their gradient by hand: buffers used again, no autograd inside a block.

The gradient is made in forward, where somebody wants one, and backward only scales it: once a batch of one block is
counted, the weights of its totals are known; several blocks of one total are pulled back as they are made; several
blocks of several totals are visited a second time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nearkin.core.buffers import Buffers
from nearkin.core.tensors import cast, traced
from nearkin.distances import cut
from nearkin.losses.call import Call
from nearkin.losses.closed import Closed, Linked, Pairs, Tile
from nearkin.losses.closed_rows import ClosedRows, closed_rows
from nearkin.losses.group import Group
from nearkin.pairs import FirstTwo, SameLabel

FEW = 32
"""Slopes of a few pairs a row become a dense matrix up to this many columns for each: fewer steps, and no more time."""

IN_PLACE = 1 << 18
"""Pairs of a block above which slopes may take the place of distances, where two more matrices would take too much memory."""

Again = Callable[[Call], Tensor]
"""The loss of a call by autograd."""

Reduce = Callable[[list[float], list[float], list[float]], tuple[float, list[float]]]
"""totals, counts, active counts of all parts -> the loss, and its slope towards each total."""


class ByHand(NamedTuple):
    """What the engine asks of a loss that makes its slopes by hand.

    closed:     the terms of a tile and their slopes
    ahead:      a first sweep over the tiles, where the blocks of this call need one
    parameters: of the loss, those that `closed` gives slopes of
    parts:      how many totals there are
    reduce:     the loss out of them
    active:     whether it asks how many terms are above 0
    mild:       whether distances in float32 will do, although the call has float64 for so few, where rows lie apart
    """

    closed: Callable[[Tile], Closed]
    ahead: Callable[[Tile], Tensor] | None
    parameters: Sequence[Tensor]
    parts: int
    reduce: Reduce
    active: bool
    mild: bool


class Found(NamedTuple):
    """A loss out of its closed form.

    value:  in the graph, of the joint batch
    sums:   (3, parts) totals, counts and active counts as numbers; two more columns of pairs where measured
    finite: whether the value is finite and no distance can have overflown
    """

    value: Tensor
    sums: list[list[float]]
    finite: bool


def closed_loss(loss: ByHand, call: Call, size: int | None, *, measured: bool, again: Again | None) -> Found | None:
    """The loss, one step of autograd; None where its closed form does not apply.

    It applies where kin is decided by class indices, without own columns or grades, and the distance has a closed form
    too. size: anchors a block, or None; again: for who differentiates twice, None where that is refused
    """
    form = call.distance.closed_form()
    tuples = type(call.rule) is FirstTwo and not call.identified
    if form is None or call.own is not None or not (tuples or type(call.rule) is SameLabel):
        return None
    if loss.ahead is not None and form.relative:
        return None
    rows = closed_rows(call, form, mild=loss.mild)
    if rows is None:
        return None
    sweep = _Sweep(loss, call, rows, size, measured)
    inputs = [*[side.given for side in rows.sides], *loss.parameters]
    if torch.is_grad_enabled() and any([each.requires_grad for each in inputs]):
        sweep.twice = None if again is None else rows.again(again)
        value: Tensor = applied(sweep, *inputs)
    else:
        with torch.no_grad():
            value = sweep.run(wanted=False)
    return Found(value, sweep.sums, sweep.finite and math.isfinite(sweep.value))


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sweep: _Sweep, *inputs: Tensor) -> Tensor:
        value = sweep.run(wanted=True)
        ctx.twice, ctx.scales = sweep.twice, sweep.scales
        ctx.save_for_backward(*inputs, *sweep.gradients)
        return value

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        needed = ctx.needs_input_grad[1:]
        inputs, gradients = ctx.saved_tensors[: len(needed)], ctx.saved_tensors[len(needed) :]
        if torch.is_grad_enabled():
            return (None, *_twice(ctx.twice, inputs, outer[0]))
        by = outer[0] if traced() or outer[0].device.type != "cpu" else outer[0].item()
        found = [
            cast(gradient * (by * scale), each.dtype) if wanted else None
            for each, gradient, scale, wanted in zip(inputs, gradients, ctx.scales, needed)
        ]
        return (None, *found)


applied: Callable[..., Tensor] = super(torch.autograd.Function, _Loss).apply
"""`_Loss.apply` less what `Function` adds for the transforms of torch.func, which never come here; a batch of 64 shows it."""


def _twice(twice: Callable[..., Tensor] | None, inputs: Sequence[Tensor], outer: Tensor) -> Iterator[Tensor | None]:
    """The gradient with a graph of its own, from the form that autograd made."""
    if twice is None:
        raise RuntimeError("the blocked form of a loss has no double backward; use the dense form: block_size=None")
    wanted = [each for each in inputs if each.requires_grad]
    made = iter(torch.autograd.grad(twice(*inputs), wanted, outer, create_graph=True, allow_unused=True))
    return (next(made) if each.requires_grad else None for each in inputs)


class Room:
    """Buffers of the shape of the largest block, each made when a block first asks for it."""

    def __init__(self, buffers: Buffers, shape: tuple[int, int]) -> None:
        self.buffers, self.shape = buffers, shape
        self.made: dict[int, Tensor] = {}

    def __call__(self, count: int, which: int) -> Tensor:
        """The first `count` rows of one of them."""
        if which not in self.made:
            self.made[which] = self.buffers.take(self.shape)
        return cut(self.made[which], 0, count)


class _Sweep:
    """The blocks of one call: what they sum up to and, if wanted, their gradients.

    After `run`: `sums`, the `value` as a number, and a gradient of each input, to be multiplied with its scale
    """

    def __init__(self, loss: ByHand, call: Call, rows: ClosedRows, size: int | None, measured: bool) -> None:
        self.loss, self.call, self.rows, self.size, self.measured = loss, call, rows, size, measured
        self.distances, self.count = rows.distances, rows.distances.anchors.shape[0]
        largest, self.most = rows.largest(), torch.finfo(call.answer).max  # distances are no wider than the loss
        self.finite = all([4 * each < self.most for each in largest])
        if not self.finite:  # NaN among the rows is one reason
            call.check()
        self.reach = self.distances.form.reach(max(largest))
        self.value = 0.0
        self.sums: list[list[float]] = []
        self.gradients: list[Tensor] = []
        self.learned: Sequence[Tensor] = ()  # slopes of the totals towards each parameter of the loss
        self.scales: list[float] = []
        self.said: Tensor | None = None  # by `ahead`
        self.twice: Callable[..., Tensor] | None = None  # the loss of its inputs, for who differentiates twice

    def run(self, *, wanted: bool) -> Tensor:
        """The loss."""
        with Buffers(self.distances.columns) as buffers:
            if self.size is None:
                weights, single = self.dense(buffers, wanted=wanted)
            else:
                weights, single = self.blocks(self.size, buffers, wanted=wanted)
        if wanted:
            self.finish(weights, single=single)
        return self.distances.columns.new_full((), self.value, dtype=self.call.answer)

    def dense(self, buffers: Buffers, *, wanted: bool) -> tuple[list[float], bool]:
        """Sum up one block; the weights of its totals, known before it is pulled back, and whether one is all that moves."""
        tile = self.tile(0, self.count, self.room(self.count, buffers))
        found = self.loss.closed(tile)
        self.learned = found.learned
        weights = self.weigh([_sums(found, tile, self.measured)])
        if wanted:
            self.pull(0, self.count, tile, found, [1.0] if found.single else weights)
        return weights, found.single

    def blocks(self, size: int, buffers: Buffers, *, wanted: bool) -> tuple[list[float], bool]:
        """The same of several; those of one total are pulled back at once, and several totals weighed at the end."""
        size = min(size, self.count)
        room = self.room(size, buffers)
        if self.loss.ahead is not None:
            self.said = torch.cat([self.loss.ahead(tile) for _, _, tile in self.tiles(size, room)])
        sums, single = [], True
        for start, stop, tile in self.tiles(size, room):
            found = self.loss.closed(tile)
            sums.append(_sums(found, tile, self.measured))
            if found.learned:
                self.learned = [*map(torch.add, self.learned, found.learned)] if self.learned else found.learned
            single = found.single
            if wanted and single:
                self.pull(start, stop, tile, found, [1.0])
        weights = self.weigh(sums)
        if wanted and not single:
            for start, stop, tile in self.tiles(size, room):
                self.pull(start, stop, tile, self.loss.closed(tile), weights)
        return weights, single

    def room(self, size: int, buffers: Buffers) -> Room:
        """For distances, slopes and what is needed on the way, of `size` anchors."""
        return Room(buffers, (size, self.distances.columns.shape[0]))

    def tiles(self, size: int, room: Room) -> Iterator[tuple[int, int, Tile]]:
        """All blocks, in the same buffers."""
        for start in range(0, max(self.count, 1), max(size, 1)):
            stop = min(start + size, self.count)
            yield start, stop, self.tile(start, stop, room)

    def tile(self, start: int, stop: int, room: Room) -> Tile:
        """The block of the anchors start..stop."""
        rows, distances = self.rows, self.distances
        lend = partial(room, stop - start)
        filled = distances.fill(start, stop, lend(0))
        exact = partial(distances.exact, start) if distances.doubtful else None
        labels = self.call.values if rows.tuples is None else None
        if labels is not None:
            labels = cut(labels, start, stop)
        form, needed = distances.form, self.measured or distances.form.relative
        whole = distances.shared and stop - start == distances.columns.shape[0]  # pulled back by way of the distances' place
        link = None if needed or filled.numel() <= IN_PLACE else distances.linked
        return Tile(
            filled, rows.kin.block(start, stop), lend, self.reach, exact=exact,
            symmetric=not form.relative, ahead=self.said, labels=labels,
            spare=not (whole or needed or form.divides), active=self.measured or self.loss.active, link=link,
            directions=lambda out: rows.directions.fill(start, stop, filled, out),
        )  # fmt: skip

    def weigh(self, sums: list[list[Tensor | float]]) -> list[float]:
        """Add up the blocks' sums, make the loss of them, and say its slope towards each total."""
        self.sums = _added(sums, self.distances.columns.device)
        if self.call.group is not None:
            self.sums = self.joint(self.call.group)
        totals, counts, active = self.sums
        parts = self.loss.parts
        self.value, weights = self.loss.reduce(totals[:parts], counts[:parts], active[:parts])
        if abs(self.value) > self.most:  # a tensor would not take it
            self.value = math.inf
        return weights

    def pull(self, start: int, stop: int, tile: Tile, found: Closed, weights: list[float]) -> None:
        """Add the gradient of the block's totals times their weights. Its buffers are used up."""
        positives, negatives = found.positives, found.negatives
        if weights[0] != 1:
            positives = positives * weights[0]
        width = positives.shape[1]
        if isinstance(negatives, Pairs):
            if weights[-1] != 1:
                negatives = Pairs(negatives.columns, negatives.slopes * weights[-1])
            width += negatives.slopes.shape[1]
        if isinstance(negatives, Linked):
            self.distances.pull_linked(start, stop, tile.index, positives, negatives.near, negatives.slopes)
            return
        if isinstance(negatives, Tensor):
            slopes = negatives if weights[-1] == 1 else negatives.mul_(weights[-1])
        elif tile.distances.shape[1] <= FEW * width:
            slopes = tile.slope.zero_()
            if negatives is not None:
                slopes.scatter_add_(1, negatives.columns, negatives.slopes)
        else:
            columns = tile.index
            if negatives is not None:
                columns, positives = (torch.cat(pair, 1) for pair in zip((columns, positives), negatives))
            self.distances.pull_pairs(start, stop, columns, positives, tile.distances.gather(1, columns))
            return
        slopes.scatter_add_(1, tile.index, positives)
        self.distances.pull(start, stop, tile.distances, slopes)

    def joint(self, group: Group) -> list[list[float]]:
        """The sums of all processes."""
        device = self.distances.columns.device
        shared: list[list[float]] = group.sum(torch.tensor(self.sums, dtype=_wide(device), device=device)).tolist()
        return shared

    def finish(self, weights: list[float], *, single: bool) -> None:
        """The gradients of the rows and of what the loss learns."""
        processes = 1 if self.call.group is None else self.call.group.size  # the mean of their gradients is taken
        scale = self.distances.scale * processes * (weights[0] if single else 1.0)
        self.gradients = self.rows.gradients()
        self.scales = [scale] * len(self.gradients)
        for slopes in self.learned:
            self.gradients.append(torch.tensordot(slopes.new_tensor(weights), slopes, 1))
            self.scales.append(processes)


def _sums(found: Closed, tile: Tile, measured: bool) -> list[Tensor | float]:
    """Totals, counts and active counts of a block, one after the other; two more columns of pairs where measured."""
    totals: list[Tensor | float] = []
    counts: list[Tensor | float] = []
    active: list[Tensor | float] = []
    for term in found.sums():
        totals.append(term.total)
        counts.append(term.count)
        active.append(math.nan if term.active is None else term.active)
    if measured:
        near = tile.only_listed(tile.positive_distances()).sum(dtype=_wide(tile.distances.device))
        kin = tile.distances.flatten()[tile.kin.unique()].sum(dtype=_wide(tile.distances.device))
        totals += [near, tile.distances.sum(dtype=_wide(tile.distances.device)) - kin]
        counts += [tile.counts.positives(), tile.counts.negatives()]
        active += [0.0, 0.0]
    return [*totals, *counts, *active]


def _added(blocks: list[list[Tensor | float]], device: torch.device) -> list[list[float]]:
    """The sums of all blocks as numbers, (3, columns), after one look at the device."""
    if device.type != "cpu":
        given = [each.to(_wide(device)) for block in blocks for each in block if isinstance(each, Tensor)]
        known = iter(torch.stack(given).tolist() if given else [])
        blocks = [[next(known) if isinstance(each, Tensor) else each for each in block] for block in blocks]
    sums = [sum(map(float, column)) for column in zip(*blocks)]
    width = len(sums) // 3
    return [sums[:width], sums[width : 2 * width], sums[2 * width :]]


def _wide(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64
