"""Hinge losses over every valid triplet, value and slopes at once, without autograd and without listing a triplet.

For anchor i with thresholds t_p = d_ip + m: sum_p sum_n [t_p - d_in]_+ moves each negative by the number of thresholds
above it and each positive by the number of negatives below its threshold. With u = max t - d_n and s = max t - t_p, both
never negative where they count, the value is sum c u - sum counts s: no two large sums are subtracted unless the loss is
large itself (by at most a factor P). The squared hinge is the same with sums of u and s in place of counts.

Few positives: a pass over the row for each. More: one look-up a negative (`Places`). Both count exactly alike.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nearkin.core.tensors import added
from nearkin.mining.places import Places, tally
from nearkin.mining.rows import Rows, strangers
from nearkin.mining.workspace import Workspace, on_cpu

PASSES = {False: 20, True: 18}
"""Positives of a row up to which passes win; by whether the hinge is squared. Measured: docs of `counted_hinge`."""


class Counted(NamedTuple):
    """Sums over the triplets of a block.

    total:     scalar float64, the sum of the terms
    active:    scalar float64, the number of terms above 0
    positives: (b, P) d total / d distance of the positives; those to negatives stand in the slope buffer
    """

    total: Tensor
    active: Tensor
    positives: Tensor


def counted_hinge(
    distances: Tensor, index: Tensor, listed: Tensor, kin: Tensor, margin: float, slope: Tensor, scratch: Tensor,
    *, squared: bool = False, band: bool = False,
) -> Counted:  # fmt: skip
    """Sum of [d_ap + m - d_an]_+ (or its square) over all positives and negatives of each row.

    distances:      (b, R), left as they are
    index, listed:  (b, P) columns of the positives, and which of them count
    kin:            places row * R + column of all that is no negative
    slope, scratch: (b, R) buffers; `slope` receives d total / d distance of the negatives, 0 at kin
    band:           only negatives with d_ap < d_an < d_ap + m, both strict

    A triplet is active where d_an < fl(d_ap + m). Time a number on one busy core, float32: by passes 2 ns and 0.4 ns a
    positive (0.9 ns squared), by look-up 10 ns (18 ns squared) at any number of positives up to 100.
    """
    near = distances.gather(1, index).masked_fill_(~listed, -torch.inf)
    rows = Rows(strangers(distances, kin, scratch), slope, listed)
    near = near if rows.order is None else near[rows.order]
    positives = torch.zeros_like(near)
    total = active = added(distances[:0])
    few = PASSES[squared] if on_cpu(near) or (near.is_cuda and not squared) else near.shape[1]
    for start, stop in rows.alike(few):
        width = max(rows.widths[start:stop])
        form = _by_passes if width <= few else _by_places
        sums = form(rows, start, near[start:stop, :width], margin, squared, band)
        positives[start:stop, :width] = sums.positives
        total, active = total + sums.total, active + sums.active
    if rows.order is not None:
        positives = torch.empty_like(near).index_copy_(0, rows.order, positives)
    return Counted(total, active, positives)


def _by_passes(rows: Rows, start: int, near: Tensor, margin: float, squared: bool, band: bool) -> Counted:
    """One pass over a row for each of its positives."""
    thresholds = near + margin
    top, below = _heights(near, margin)
    counts, moved = (near.new_zeros(near.shape[::-1]) for _ in range(2))
    values = near.new_zeros(len(near))
    for part, far, slope in rows.chunks(start, start + len(near)):
        flags, other = (rows.space.take(name, far.shape, far.dtype) for name in ("work", "other"))
        slope.zero_()
        for k in range(rows.widths[start + part.stop - 1] if rows.order is not None else near.shape[1]):
            edge = thresholds[part, k : k + 1]
            torch.lt(far, edge, out=flags)
            if band:
                flags.mul_(torch.gt(far, near[part, k : k + 1], out=other))
            torch.sum(flags, 1, out=counts[k, part])
            if not squared:
                slope.sub_(flags)
            if squared or band:
                torch.sub(edge, far, out=other).relu_()
                if band:
                    other.mul_(flags)
                if squared:
                    slope.sub_(other, alpha=2)
                    torch.sum(other, 1, out=moved[k, part])
                    other.square_()
                values[part] += other.sum(1)
        if not squared and not band:
            torch.sum(torch.sub(top[part], far, out=far).relu_().mul_(slope), 1, out=values[part])
    total = added(values) if squared or band else -added(values) - added(counts.T * below)
    return Counted(total, added(counts), (2 * moved if squared else counts).T)


def _by_places(rows: Rows, start: int, near: Tensor, margin: float, squared: bool, band: bool) -> Counted:
    """One look-up for each number, whatever the number of positives."""
    near, order = _rising(near)
    thresholds = near + margin
    top, below = _heights(near, margin)
    columns = rows.far.shape[1]
    sides = [_Side(thresholds, columns, below, squared)]
    if band:
        beyond = torch.minimum(torch.nextafter(near, near.new_full((), torch.inf)), thresholds)
        sides.append(_Side(beyond, columns, below, squared))
    exact = squared or band
    values = near.new_zeros(len(near), dtype=torch.float64 if exact else near.dtype)
    for part, far, slope in rows.chunks(start, start + len(near)):
        if exact:
            heights = rows.space.take("heights", far.shape, torch.float64)
            torch.sub(top[part], far, out=heights).relu_()
            pulled = rows.space.take("pulled", far.shape, torch.float64).zero_()
            for side, sign in zip(sides, (1, -1)):
                pulled.add_(side.pull(far, part, heights, rows.space), alpha=sign)
            torch.mul(pulled, 2 if squared else 1, out=slope)
            torch.sum(pulled.mul_(heights), 1, out=values[part])
        else:
            sides[0].find(far, part, rows.space, slope)
            torch.sum(torch.sub(top[part], far, out=far).relu_().mul_(slope), 1, out=values[part])
    counts = _difference([side.counts() for side in sides])
    moved = _difference([side.moved() for side in sides]) if squared else counts
    total = -added(values) - added(moved * below)
    slopes = (2 * moved if squared else moved).to(near.dtype)
    return Counted(total, added(counts), torch.empty_like(near).scatter_(1, order, slopes))


class _Side:
    """Numbers among rising thresholds, and what is summed between one threshold and the next.

    With `squared` all sums are of heights in float64: values and slopes are differences of larger numbers there.
    """

    def __init__(self, thresholds: Tensor, columns: int, below: Tensor, squared: bool) -> None:
        rows, width = thresholds.shape
        self.width, self.below = width, below
        self.places = Places(thresholds, columns)
        self.held = thresholds.new_zeros(rows, width + 1, dtype=torch.float64)
        self.heights = torch.zeros_like(self.held) if squared else None
        self.higher = torch.nn.functional.pad(below.double().flip(1).cumsum(1).flip(1), (0, 1)) if squared else None

    def find(self, far: Tensor, part: slice, space: Workspace, out: Tensor) -> Tensor:
        """The places of the numbers; `out` (r, R) takes -(thresholds above each)."""
        places = self.places.among(far, part.start, space)
        step = self.width + 1
        last = torch.arange(self.width, len(far) * step, step, dtype=out.dtype, device=far.device)
        out.copy_(places.view(out.shape)).sub_(last[:, None])
        self.held[part] = tally(places, len(far) * step, space).view(len(far), -1)
        return places

    def pull(self, far: Tensor, part: slice, heights: Tensor, space: Workspace) -> Tensor:
        """(r, R) float64: minus the number of thresholds above, or the sum of what each number lies below them."""
        found = space.take("found", far.shape, torch.float64)
        places = self.find(far, part, space, found)
        if self.higher is None or self.heights is None:
            return found
        self.heights[part] = tally(places, self.held[part].numel(), space, heights).view(len(far), -1)
        return found.mul_(heights).add_(self.higher[part].flatten().index_select(0, places).view(found.shape))

    def counts(self) -> Tensor:
        """(b, P): the numbers below each threshold."""
        return self.held[:, :-1].cumsum(1)

    def moved(self) -> Tensor:
        """(b, P): the sum of what those numbers lie below it."""
        if self.heights is None:
            return self.counts()
        return self.heights[:, :-1].cumsum(1) - self.counts() * self.below


def _heights(near: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """The highest threshold of each row (0 without one) (r, 1), and how far below it the others lie, 0 where none.

    The second in float64 and from d_ap + m before it is rounded: the rounding of a threshold is that of all its terms.
    """
    exact = near.to(torch.float32 if near.device.type == "mps" else torch.float64) + margin
    if not near.shape[1]:
        return near.new_zeros(len(near), 1), exact
    top = (near + margin).amax(1, keepdim=True)
    top = torch.where(top > -torch.inf, top, 0)
    return top, torch.where(exact > -torch.inf, top - exact, 0)


def _rising(near: Tensor) -> tuple[Tensor, Tensor]:
    if not on_cpu(near):
        return near.sort(dim=1)
    order = torch.from_numpy(near.numpy().argsort(axis=1))
    return near.gather(1, order), order


def _difference(values: list[Tensor]) -> Tensor:
    return values[0] if len(values) == 1 else values[0] - values[1]
