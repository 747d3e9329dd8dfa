"""Hinge losses over every valid triplet, value and slopes at once, without autograd and without listing a triplet.

For anchor i with thresholds t_p = d_ip + m: sum_p sum_n [t_p - d_in]_+ moves each negative by the number of thresholds
above it and each positive by the number of negatives below its threshold. With u = max t - d_n and s = max t - t_p, both
never negative where they count, the value is sum c u - sum counts s: no two large sums are subtracted unless the loss is
large itself (by at most a factor P). The squared hinge is the same with sums of u and s in place of counts.

Few positives: a pass over the row for each. More: one look-up a negative (`Places`). Both count exactly alike.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core.tensors import added
from nearkin.mining.doubts import Exact, Hinge, Numbers, corrections, once
from nearkin.mining.passes import AtOnce, Counted, Passes
from nearkin.mining.places import Places, tally
from nearkin.mining.rows import Link, Rows
from nearkin.mining.workspace import Workspace, on_cpu

PASSES = {False: 9, True: 14}
"""Positives of a row up to which passes win; by whether the hinge is squared. Measured: docs of `counted_hinge`."""

AT_ONCE = 3 << 15
"""Triplets, kin included, up to which one cube of them all is fastest: there the number of steps decides."""


def counted_hinge(
    near: Tensor, index: Tensor, listed: Tensor, far: Tensor, margin: float, slope: Tensor,
    *, full: bool = False, squared: bool = False, band: bool = False, exact: Exact | None = None, link: Link | None = None,
) -> Counted:  # fmt: skip
    """Sum of [d_ap + m - d_an]_+ (or its square) over all positives and negatives of each row.

    near:           (b, P) distances of the positives
    index, listed:  (b, P) columns of the positives, and which of them count
    far:            (b, R) distances of the negatives that count, +inf at all else
    slope:          (b, R) buffer that receives d total / d distance of the negatives, 0 at all else
    link:           what makes of these slopes those that take the distances' place; `slope` and `far` are one then
    full:           all of `index` is listed
    band:           only negatives with d_ap < d_an < d_ap + m, both strict
    exact:          decides where slopes jump and the distances are too near to tell

    A triplet is active where d_an < fl(d_ap + m). Time a number on one busy core, float32: by passes 2 ns and 0.4 ns a
    positive (0.9 ns squared), by look-up 8 ns (14 ns squared) at any number of positives up to 100; `exact` costs
    two thirds more by passes, little by look-up (which on other devices than CPUs goes without).
    """
    if not full:
        near = torch.where(listed, near, -torch.inf)
    doubting = exact is not None and (band or not squared)
    order: Tensor | None = None
    if link is None and 0 < near.numel() * far.shape[1] <= AT_ONCE:
        hinge = Hinge.of(near, margin, squared, band, doubting=doubting)
        at_once = AtOnce(hinge)
        found, doubts = at_once.run(far, slope), {True: at_once.doubts}
    else:
        rows = Rows(far, slope, listed, link)
        order = rows.order
        if order is not None:
            near, index = near[order], index[order]
        hinge = Hinge.of(near, margin, squared, band, doubting=doubting)
        found, doubts = _in_parts(hinge, rows)
    for sure, numbers in doubts.items():
        if exact is not None and numbers:
            for missing in corrections(hinge, numbers, sure, index, order, exact):
                missing.move(slope, found.positives, squared, link)
                total, active = found.total + missing.total(squared), found.active + missing.active()
                found = Counted(total, active, found.positives)
    if order is not None:
        found = found._replace(positives=torch.empty_like(near).index_copy_(0, order, found.positives))
    return found


def _in_parts(hinge: Hinge, rows: Rows) -> tuple[Counted, dict[bool, list[Numbers]]]:
    """Rows of about as many positives at a time, and what is in doubt by whether it was left out or counted as it is."""
    near, squared = hinge.near, hinge.squared
    few = PASSES[squared] if on_cpu(near) or (near.is_cuda and not squared) else near.shape[1]
    found = Counted(added(near[:0]), added(near[:0]), torch.zeros_like(near))
    doubts: dict[bool, list[Numbers]] = {True: [], False: []}
    for start, stop in rows.alike(few):
        width = max(rows.widths[start:stop])
        part = hinge.part(start, stop, width)
        counting = Passes(part) if width <= few else _LookUps(part)
        total, active, found.positives[start:stop, :width] = counting.run(rows, start)
        found = found._replace(total=found.total + total, active=found.active + active)
        doubts[counting.sure] += [numbers.after(start) for numbers in counting.doubts]
    return found, doubts


class _LookUps:
    """One look-up for each number, whatever the number of positives."""

    sure = False
    """What is in doubt has been counted by the distances as they are."""

    def __init__(self, hinge: Hinge) -> None:
        self.hinge = hinge
        self.near, self.order = _rising(hinge.near)
        self.slack = 0.0 if hinge.slack is None else float(hinge.slack.amax())
        self.doubts: list[Numbers] = []

    def run(self, rows: Rows, start: int) -> Counted:
        """All chunks of the rows from `start` on."""
        near, squared, band, top = self.near, self.hinge.squared, self.hinge.band, self.hinge.top
        thresholds, below, columns = near + self.hinge.margin, self.hinge.below(near), rows.far.shape[1]
        sides = [_Side(Places(thresholds, columns, self.slack), below, squared)]
        if band:
            beyond = torch.minimum(torch.nextafter(near, near.new_full((), torch.inf)), thresholds)
            sides.append(_Side(Places(beyond, columns, self.slack), below, squared))
        exact = squared or band
        values = near.new_zeros(len(near), dtype=torch.float64 if exact else near.dtype)
        for part, far, slope in rows.chunks(start, start + len(near)):
            if exact:
                lifted = rows.space.take("heights", far.shape, torch.float64)
                torch.sub(top[part], far, out=lifted).relu_()
                pulled = rows.space.take("pulled", far.shape, torch.float64).zero_()
                for side, sign in zip(sides, (1, -1)):
                    pulled.add_(side.pull(far, part, lifted, rows.space, slope), alpha=sign)
                torch.mul(pulled, 2 if squared else 1, out=slope)
                torch.sum(pulled.mul_(lifted), 1, out=values[part])
            else:
                sides[0].find(far, part, rows.space, slope, slope)
                heights = rows.space.take("places", far.shape, far.dtype)  # nobody asks for these any more
                torch.sum(torch.sub(top[part], far, out=heights).relu_().mul_(slope), 1, out=values[part])
        doubts = [numbers for side in sides for numbers in side.places.doubts]
        self.doubts = once(doubts, columns) if band else doubts
        counts = _difference([side.counts() for side in sides])
        moved = _difference([side.moved() for side in sides]) if squared else counts
        total = -added(values) - added(moved * below)
        slopes = (2 * moved if squared else moved).to(near.dtype)
        return Counted(total, added(counts), torch.empty_like(near).scatter_(1, self.order, slopes))


class _Side:
    """Numbers among rising thresholds, and what is summed between one threshold and the next.

    With `squared` all sums are of heights in float64: values and slopes are differences of larger numbers there.
    """

    def __init__(self, places: Places, below: Tensor, squared: bool) -> None:
        thresholds = places.thresholds
        rows, width = thresholds.shape
        self.width, self.below, self.places = width, below, places
        self.held = thresholds.new_zeros(rows, width + 1, dtype=torch.float64)
        self.heights = torch.zeros_like(self.held) if squared else None
        self.higher = torch.nn.functional.pad(below.double().flip(1).cumsum(1).flip(1), (0, 1)) if squared else None

    def find(self, far: Tensor, part: slice, space: Workspace, work: Tensor, out: Tensor) -> Tensor:
        """The places of the numbers; `out` (r, R) takes -(thresholds above each) and may be the buffer `work`."""
        places = self.places.among(far, part.start, space, work)
        step = self.width + 1
        last = torch.arange(self.width, len(far) * step, step, dtype=out.dtype, device=far.device)
        out.copy_(places.view(out.shape)).sub_(last[:, None])
        self.held[part] = tally(places, len(far) * step).view(len(far), -1)
        return places

    def pull(self, far: Tensor, part: slice, heights: Tensor, space: Workspace, work: Tensor) -> Tensor:
        """(r, R) float64: minus the number of thresholds above, or the sum of what each number lies below them."""
        found = space.take("found", far.shape, torch.float64)
        places = self.find(far, part, space, work, found)
        if self.higher is None or self.heights is None:
            return found
        self.heights[part] = tally(places, self.held[part].numel(), heights).view(len(far), -1)
        return found.mul_(heights).add_(self.higher[part].flatten().index_select(0, places).view(found.shape))

    def counts(self) -> Tensor:
        """(b, P): the numbers below each threshold."""
        return self.held[:, :-1].cumsum(1)

    def moved(self) -> Tensor:
        """(b, P): the sum of what those numbers lie below it."""
        if self.heights is None:
            return self.counts()
        return self.heights[:, :-1].cumsum(1) - self.counts() * self.below


def _rising(near: Tensor) -> tuple[Tensor, Tensor]:
    if not on_cpu(near):
        return near.sort(dim=1)
    order = torch.from_numpy(near.numpy().argsort(axis=1))
    return near.gather(1, order), order


def _difference(values: list[Tensor]) -> Tensor:
    return values[0] if len(values) == 1 else values[0] - values[1]
