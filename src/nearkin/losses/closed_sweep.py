"""The engine's way for losses that make their gradient by hand: buffers used again, no autograd inside a block.

A batch of one block keeps its slopes and pulls them back in backward. Several blocks make their gradient while they are
in memory, and backward only scales it; where two means of a loss are weighted by counts that are known at the end only,
the blocks are visited again in backward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nearkin.core.tensors import Terms
from nearkin.distances import BlockDistances
from nearkin.losses.call import Call
from nearkin.losses.closed import Closed, Pairs, Tile
from nearkin.losses.kin import Kin
from nearkin.pairs import FirstTwo, SameLabel

Again = Callable[[Call], Tensor] | None
"""The same sums of a call by autograd, for who differentiates twice; None where that is refused."""


class Weighed(NamedTuple):
    """A loss out of its closed form.

    value:  the sum of totals times weights, in the graph
    sums:   (3, parts) totals, counts and active counts as numbers
    finite: whether no distance can have overflown
    """

    value: Tensor
    sums: list[list[float]]
    finite: bool


Weigh = Callable[[list[float], list[float]], list[float]]
"""counts, active counts -> weights of the totals."""


def closed_loss(
    closed: Callable[[Tile], Closed],
    call: Call,
    size: int | None,
    *,
    parts: int,
    measured: bool,
    weigh: Weigh,
    again: Again,
) -> Weighed | None:
    """The loss of one process, its gradient one step of autograd; None where `closed_sums` gives none."""
    made = _sweep(closed, call, size, parts, measured)
    if made is None:
        return None
    call, sweep, references = made
    sweep.weigh, sweep.answer = weigh, call.answer
    value: Tensor = _Sums.apply(sweep, _repeat(call, again), call.anchors, references)  # type: ignore[no-untyped-call]
    return Weighed(value, sweep.numbers, sweep.finite)


def closed_sums(
    closed: Callable[[Tile], Closed], call: Call, size: int | None, *, parts: int, measured: bool, again: Again
) -> Tensor | None:
    """(3, parts) totals, counts and active counts as the engine has them, or None where the form does not apply.

    It applies where kin is decided by class indices, without own columns or grades, and the distance has a closed form
    too.
    """
    made = _sweep(closed, call, size, parts, measured)
    if made is None:
        return None
    call, sweep, references = made
    sums: Tensor = _Sums.apply(sweep, _repeat(call, again), call.anchors, references)  # type: ignore[no-untyped-call]
    return sums


def _repeat(call: Call, again: Again) -> Callable[[Tensor, Tensor], Tensor] | None:
    return (
        None
        if again is None
        else lambda anchors, references: again(replace(call, anchors=anchors, references=references))
    )


def _sweep(
    closed: Callable[[Tile], Closed], call: Call, size: int | None, parts: int, measured: bool
) -> tuple[Call, _Sweep, Tensor | None] | None:
    """The call, its sweep, and its references where they are not the anchors themselves."""
    form = call.distance.closed_form()
    if form is None or call.own is not None or call.rule is None:
        return None
    if type(call.rule) is FirstTwo and not call.identified:
        call = _paired(call)
    elif type(call.rule) is not SameLabel:
        return None
    references = None if call.alone and call.group is None else call.references
    with torch.no_grad():
        columns = call.anchors if references is None else call.references
        blocks = BlockDistances(call.distance, form, call.anchors, columns, call.dtype, call.first)
        if not form.fits(call.anchors) or (references is not None and not form.fits(columns)):
            return None
        ids = (call.ids, call.reference_ids) if call.identified else None
        kin = Kin(_given(call.values), _given(call.reference_values), None if ids else call.first, ids)
        sweep = _Sweep(closed, blocks, kin, len(call.anchors), size, parts, measured, references is None)
    return call, sweep, references


def _paired(call: Call) -> Call:
    """N-pair tuples as a batch of their own: the first members of the classes against the second ones."""
    mine, everybody = _given(call.values), _given(call.reference_values)
    anchors, columns = ((values[:, 1] == place).nonzero()[:, 0] for place, values in enumerate((mine, everybody)))
    return replace(
        call, anchors=call.anchors[anchors], references=call.references[columns], values=mine[anchors, 0],
        reference_values=everybody[columns, 0], rule=SameLabel(mine[anchors, 0]), ids=None, reference_ids=None,
        first=None, alone=False,
    )  # fmt: skip


def _given(values: Tensor | None) -> Tensor:
    if values is None:
        raise ValueError("class indices decide kin here")
    return values


@dataclass
class _Kept:
    """A block whose slopes wait for backward."""

    tile: Tile
    closed: Closed


class _Sweep:
    def __init__(
        self, closed: Callable[[Tile], Closed], blocks: BlockDistances, kin: Kin,
        anchors: int, size: int | None, parts: int, measured: bool, shared: bool,
    ) -> None:  # fmt: skip
        self.closed, self.blocks, self.kin, self.parts = closed, blocks, kin, parts
        self.anchors, self.size, self.measured, self.shared = anchors, size, measured, shared
        self.whole = size is None
        self.once = False  # slopes are pulled as they are made, by a weight of 1
        self.weigh: Weigh | None = None
        self.answer = blocks.dtype
        self.numbers: list[list[float]] = []
        largest = blocks.largest()
        self.reach = blocks.form.reach(largest)
        self.finite = 4 * largest < torch.finfo(blocks.dtype).max

    def tiles(self) -> Iterator[tuple[int, int, Tile]]:
        """All blocks, in the same three buffers."""
        size = self.anchors if self.whole else int(self.size or 1)
        columns = len(self.blocks.columns)
        buffers = self.blocks.columns.new_empty(3, min(size, self.anchors), columns)
        for start in range(0, max(self.anchors, 1), max(size, 1)):
            stop = min(start + size, self.anchors)
            distances, slope, scratch = buffers[:, : stop - start]
            self.blocks.fill(start, stop, distances)
            index, listed, places, negatives = self.kin.block(start, stop)
            exact = partial(self.blocks.exact, start) if self.blocks.doubtful else None
            yield start, stop, Tile(distances, index, listed, places, negatives, slope, scratch, self.reach, exact)

    def run(self, outer: Tensor | None) -> tuple[Tensor, _Kept | None]:
        """The sums; with `outer` (parts,) the gradients of outer * totals are made too."""
        sums, kept = [], None
        if outer is not None:
            self.blocks.start_gradients(self.shared)
        for start, stop, tile in self.tiles():
            found = self.closed(tile)
            several = (found.terms,) if isinstance(found.terms, Terms) else found.terms
            sums.append(_stacked(several, tile, self.measured))
            if outer is not None:
                self.pull(start, stop, tile, found, outer)
            elif self.whole:
                kept = _Kept(tile, found)
        return (sums[0] if len(sums) == 1 else torch.stack(sums).sum(0)), kept

    def pull(self, start: int, stop: int, tile: Tile, found: Closed, outer: Tensor) -> None:
        """Add the gradient of a block. Its slopes are used up where `outer` is 1 and nobody comes back for them."""
        scale = outer.to(tile.distances.dtype)
        positives = found.positives * scale[0]
        if isinstance(found.negatives, Tensor):
            kept = tile.slope if found.negatives is tile.scratch else tile.scratch
            slopes = found.negatives if self.once else torch.mul(found.negatives, scale[-1], out=kept)
            slopes.scatter_add_(1, tile.index, positives)
            self.blocks.pull(start, stop, tile.distances, slopes)
            return
        columns, slopes = tile.index, positives
        if isinstance(found.negatives, Pairs):
            columns = torch.cat([columns, found.negatives.columns], 1)
            slopes = torch.cat([slopes, found.negatives.slopes * scale[-1]], 1)
        self.blocks.pull_pairs(start, stop, columns, slopes, tile.distances.gather(1, columns))

    def weighed(self, sums: Tensor) -> Tensor:
        """The loss out of its sums, and what they are as numbers."""
        self.numbers = sums.tolist()
        totals, counts, active = (row[: self.parts] for row in self.numbers)
        self.weights = [] if self.weigh is None else self.weigh(counts, active)
        value = sum(weight * total for weight, total in zip(self.weights, totals) if weight)
        return sums.new_tensor(value, dtype=self.answer)

    def outer(self, gradient: Tensor) -> Tensor:
        """What arrives at the totals (parts,) from what arrived at the result."""
        if self.weigh is None:
            return gradient[0, : self.parts]
        return gradient.view(1) * self.weights[0] if self.parts == 1 else gradient * gradient.new_tensor(self.weights)

    def all_outer(self, gradient: Tensor) -> Tensor:
        """The same for all sums (3, ...)."""
        if self.weigh is None:
            return gradient
        weights = [[*self.weights, *[0.0] * (len(self.numbers[0]) - self.parts)], *[[0.0] * len(self.numbers[0])] * 2]
        return gradient * gradient.new_tensor(weights, dtype=torch.float64)

    def keep(self, kept: _Kept, outer: Tensor) -> None:
        """The gradients of a batch of one block whose slopes have waited."""
        self.blocks.start_gradients(self.shared)
        self.pull(0, self.anchors, kept.tile, kept.closed, outer)


def _stacked(several: tuple[Terms, ...], tile: Tile, measured: bool) -> Tensor:
    """(3, parts) totals, counts and active counts in float64; two more columns of pairs where measured."""
    nan = tile.distances.new_full((), torch.nan) if any(term.active is None for term in several) else tile.distances
    rows = [
        [term.total for term in several],
        [term.count for term in several],
        [nan if term.active is None else term.active for term in several],
    ]
    if measured:
        near = torch.where(tile.listed, tile.positive_distances(), 0).sum(dtype=torch.float64)
        kin = tile.distances.flatten()[tile.kin.unique()].sum(dtype=torch.float64)
        far = tile.distances.sum(dtype=torch.float64) - kin
        rows[0] += [near, far]
        rows[1] += [tile.listed.sum(), tile.negatives.sum()]
        rows[2] += [torch.zeros_like(near)] * 2
    wide = torch.float32 if tile.distances.device.type == "mps" else torch.float64
    flat = [entry if entry.dtype == wide else entry.to(wide) for row in rows for entry in row]
    return torch.stack(flat).view(3, -1)


class _Sums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, sweep: _Sweep, again: Callable[..., Tensor] | None, anchors: Tensor, references: Tensor | None
    ) -> Tensor:
        ctx.sweep, ctx.again, ctx.gradients = sweep, again, None
        ctx.save_for_backward(anchors, references)
        wanted = any(ctx.needs_input_grad)
        eager = sweep.once = wanted and not sweep.whole and sweep.parts == 1
        sums, ctx.kept = sweep.run(anchors.new_ones(1) if eager else None)
        if eager:
            ctx.gradients = sweep.blocks.finish()
            sweep.blocks.forget()
        return sums if sweep.weigh is None else sweep.weighed(sums)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        sweep = ctx.sweep
        anchors, references = ctx.saved_tensors
        if torch.is_grad_enabled():
            return (None, None, *_twice(ctx.again, anchors, references, sweep.all_outer(gradients[0])))
        outer = sweep.outer(gradients[0])
        if ctx.gradients is not None:
            found = tuple(gradient * outer[0].to(gradient.dtype) for gradient in _distinct(ctx.gradients, sweep.shared))
        else:
            sweep.keep(ctx.kept, outer) if sweep.whole else sweep.run(outer)
            found = _distinct(sweep.blocks.finish(), sweep.shared)
        to_anchors, to_references = found[0].to(anchors.dtype), found[-1]
        return None, None, to_anchors, None if references is None else to_references.to(references.dtype)


def _distinct(pair: tuple[Tensor, Tensor], shared: bool) -> tuple[Tensor, ...]:
    return pair[:1] if shared else pair


def _twice(
    again: Callable[..., Tensor] | None, anchors: Tensor, references: Tensor | None, outer: Tensor
) -> tuple[Tensor | None, ...]:
    """The gradient with a graph of its own, from the form that autograd made."""
    if again is None:
        raise RuntimeError("the blocked form of a loss has no double backward; use the dense form: block_size=None")
    sums = again(anchors, anchors if references is None else references)
    inputs = [rows for rows in (anchors, references) if rows is not None and rows.requires_grad]
    found = iter(torch.autograd.grad(sums, inputs, outer, create_graph=True))
    return tuple(next(found) if rows is not None and rows.requires_grad else None for rows in (anchors, references))
