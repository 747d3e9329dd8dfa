"""The rows that a closed form works on: out of what autograd gave, and their gradient back to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nearkin.core.tensors import cast
from nearkin.distances import Back, BlockDistances, Form, Rows, largest_norm
from nearkin.distances.squared import NEAR
from nearkin.losses.call import Call
from nearkin.losses.kin import EqualKin, FewKin, Kin, make_kin
from nearkin.losses.tuples import Tuples
from nearkin.mining import Directions
from nearkin.pairs import FirstTwo


class Side(NamedTuple):
    """Anchors or references.

    given: what autograd gave; rows: in the distance's space, without a graph; back: gradients of rows to those of given
    """

    given: Tensor
    rows: Rows
    back: Back | None


MANY = 1 << 20
"""Multiplications of a product of few distances from which float64 shows beside the steps of a call."""

SOME = 4
"""Anchors that are looked at, to tell whether rows lie apart."""

TINY = 1e-30
"""Squared distance below which float32 would lose digits to its smallest number."""


def closed_rows(call: Call, form: Form, *, mild: bool = False) -> ClosedRows | None:
    """The rows of a call; None where the form does not fit them. mild: float32 will do for distances of rows that lie apart."""
    turn = form.turn if call.plain else None
    if turn is not None:
        given = [call.embeddings] if call.others is None else [call.embeddings, call.others]
    else:
        given = [call.anchors] if call.others is None and call.group is None else [call.anchors, call.references]
    sides = []
    for each in given:
        rows = each.detach()
        made = turn(rows) if turn is not None else (rows, None) if form.fits(rows) else None
        if made is None:
            return None
        sides.append(Side(each, *made))
    return ClosedRows(call, form, sides, turned=turn is not None, mild=mild)


class ClosedRows:
    """Anchors and columns of a call, their `distances` and their `kin`.

    sides: anchors and references; one where they are the same rows
    """

    def __init__(self, call: Call, form: Form, sides: list[Side], *, turned: bool, mild: bool) -> None:
        self.call, self.sides, self.turned = call, sides, turned
        if call.values is None or call.reference_values is None:
            raise ValueError("class indices decide kin here")
        anchors, columns, first = sides[0].rows, sides[-1].rows, call.first
        self.tuples: Tuples | None = None
        self.kin: Kin | EqualKin | FewKin | Tuples
        if type(call.rule) is FirstTwo:
            self.kin = self.tuples = Tuples(call.reference_values, first or 0, anchors.shape[0])
            anchors, columns = self.tuples.chosen(anchors, columns)
            first = None
        elif call.identified:
            self.kin = make_kin(call.values, call.reference_values, None, (call.ids, call.reference_ids))
            first = 0 if call.leads else None
        else:
            self.kin = make_kin(call.values, call.reference_values, first)
        shared = len(sides) == 1 and self.tuples is None
        groups = None if self.tuples is not None else (call.values, call.reference_values)
        narrow = mild and call.dtype != call.answer and self._apart(anchors, columns)
        dtype = call.answer if narrow else call.dtype
        self.distances = BlockDistances(form, anchors, columns, dtype, first, shared=shared, groups=groups)

    def _apart(self, anchors: Rows, columns: Rows) -> bool:
        """Whether products are worth float32, and would hardly have to be mended there: kin of some anchors lie apart.

        Near pairs are mended in any case: the answer has the digits of larger batches. Other devices than CPUs would wait for it
        """
        count, width = anchors.shape
        labels, classes = self.call.values, self.call.reference_values
        if count * columns.shape[0] * width <= MANY or labels is None or classes is None or labels.device.type != "cpu":
            return False
        rows, places = _some_kin(labels[:SOME].tolist(), classes.numpy().tolist(), self.call.first)
        if not rows:
            return True
        others = columns.index_select(0, torch.from_numpy(np.array(places))).double().numpy()
        mine = anchors[:SOME].double().numpy()[rows]
        gaps, norms = np.square(mine - others).sum(1), np.square(mine).sum(1)
        return bool((gaps >= np.maximum(2 * NEAR[torch.float32] * norms, TINY)).all())

    def largest(self) -> list[float]:
        """The largest squared norms: where four of one overflow, distances may; NaN where a row, used or not, holds NaN."""
        return self.distances.largest() if self.tuples is None else [largest_norm(side.rows) for side in self.sides]

    @cached_property
    def directions(self) -> Directions:
        """For rules of mining that look at directions."""
        return Directions(self.distances)

    def gradients(self) -> list[Tensor]:
        """The gradients of what was given, to be multiplied with `distances.scale`."""
        made = self.distances.finish()
        if self.tuples is not None:
            made = self.tuples.returned(made[0], made[1], [side.rows.shape[0] for side in self.sides])
        return [
            cast(each if side.back is None else side.back(each), self.call.answer)
            for side, each in zip(self.sides, made)
        ]

    def again(self, loss: Callable[[Call], Tensor]) -> Callable[..., Tensor]:
        """A loss of calls as a function of what is given; what else its step of autograd takes follows, unused."""

        def made(*given: Tensor) -> Tensor:
            anchors, references = given[0], given[1] if len(self.sides) == 2 else None
            if self.turned:
                return loss(replace(self.call, embeddings=anchors, others=references))
            return loss(self.call.on(anchors, anchors if references is None else references))

        return made


def _some_kin(labels: list[int], classes: list[int], first: int | None) -> tuple[list[int], list[int]]:
    """Which of these anchors of class `labels` have a column of their class behind themselves, and the next one of each."""
    rows, places = [], []
    for row, label in enumerate(labels):
        start = 0 if first is None else first + row + 1
        if label in classes[start:]:
            rows.append(row)
            places.append(classes.index(label, start))
    return rows, places
