"""Which pairs belong together: rules that make positives and negatives block by block, never all pairs at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from nearkin.core import InputError, InputTypeError
from nearkin.core.tensors import traced


class Relation(NamedTuple):
    """Kin of a block: positives and negatives (b, R) bool, and the positives' weights (b, R) or None."""

    positives: Tensor
    negatives: Tensor
    weights: Tensor | None = None


class PairRule:
    """Decides kin from a value of each sample (its label, its labels, anything): `relate` on a block of anchors.

    `values` has a row for each anchor; references bring values of the same kind. Self-pairs are excluded by the engine,
    by position or by `ids`, never here.
    """

    values: Tensor | None = None
    needs_reference_values = True

    def __len__(self) -> int:
        return 0 if self.values is None else len(self.values)

    def relate(self, anchors: Tensor | None, references: Tensor | None, rows: slice) -> Relation:
        """Kin of the anchors at `rows` to all references, from their values (already cut for the anchors)."""
        raise NotImplementedError

    def columns(self, values: Tensor | None) -> Tensor | None:
        """What to know of the joint columns before any block is related; the values themselves by default."""
        return values

    def classes(self) -> Tensor | None:
        """Class index of each anchor (N,), or None where kin is not decided by one."""
        return None

    def pick(self, index: Tensor) -> PairRule | None:
        """The same rule for the anchors at `index`, where that is possible."""
        return None


class SameLabel(PairRule):
    """Positive: the same label. Labels are integers, (N,)."""

    def __init__(self, labels: Tensor) -> None:
        self.values = labels

    def relate(self, anchors: Tensor | None, references: Tensor | None, rows: slice) -> Relation:
        anchors, references = _both(anchors, references)
        same = anchors[:, None] == references[None]
        return Relation(same, ~same)

    def classes(self) -> Tensor | None:
        return self.values

    def pick(self, index: Tensor) -> PairRule:
        return SameLabel(_given(self.values)[index])


class SharedLabel(PairRule):
    """Positive: at least one shared label. Labels are multi-hot, (N, C), 0 and 1; without labels a sample has no kin."""

    def __init__(self, labels: Tensor) -> None:
        self.values = labels

    def relate(self, anchors: Tensor | None, references: Tensor | None, rows: slice) -> Relation:
        anchors, references = _both(anchors, references)
        shared = (anchors.to(torch.float32) @ references.to(torch.float32).T) > 0.5
        return Relation(shared, ~shared)


class Related(PairRule):
    """Positive: what a function says. `rule(anchor_values (b, ...), reference_values (R, ...)) -> (b, R)`, boolean or weights.

    Weights are at least 0: above 0 is a positive pair of that weight, 0 a negative pair.

    >>> ages = torch.tensor([3, 4, 30])
    >>> Related(lambda a, r: (a[:, None] - r[None]).abs() <= 2, ages).relate(ages, ages, slice(0, 3)).positives[0]
    tensor([ True,  True, False])
    """

    def __init__(self, rule: Callable[[Tensor, Tensor], Tensor], values: Tensor) -> None:
        self.rule, self.values = rule, values

    def relate(self, anchors: Tensor | None, references: Tensor | None, rows: slice) -> Relation:
        anchors, references = _both(anchors, references)
        said = self.rule(anchors, references)
        if not isinstance(said, Tensor) or said.shape != (len(anchors), len(references)):
            shape = tuple(said.shape) if isinstance(said, Tensor) else type(said).__name__
            raise InputError(
                f"a pairs function must return a tensor of shape {(len(anchors), len(references))}, got {shape}"
            )
        return _graded(said)


class Matrix(PairRule):
    """Positive: what a matrix (N, R) says, boolean or weights of at least 0 (above 0: a positive pair of that weight).

    `negatives` (N, R) bool narrows the negatives; by default all that is not positive is negative. Self-pairs are
    excluded by the engine, so the diagonal may hold anything.
    """

    needs_reference_values = False

    def __init__(self, positives: Tensor, negatives: Tensor | None = None) -> None:
        if positives.dim() != 2 or (negatives is not None and negatives.shape != positives.shape):
            raise InputError(
                f"a matrix of pairs has shape (anchors, references); got {tuple(positives.shape)}"
                + ("" if negatives is None else f" with negatives {tuple(negatives.shape)}")
            )
        if negatives is not None and negatives.dtype != torch.bool:
            raise InputTypeError(f"negatives of a matrix of pairs must be boolean, got {negatives.dtype}")
        self.positives, self.negatives = positives, negatives

    def __len__(self) -> int:
        return len(self.positives)

    def relate(self, anchors: Tensor | None, references: Tensor | None, rows: slice) -> Relation:
        relation = _graded(self.positives[rows])
        if self.negatives is None:
            return relation
        return relation._replace(negatives=self.negatives[rows] & ~relation.positives)


class FirstTwo(PairRule):
    """N-pair tuples out of a labelled batch: the first member of each class is anchor, its second the positive.

    Negatives are the second members of the other classes. Classes of one member take no part.
    """

    def __init__(self, labels: SameLabel) -> None:
        self.values = labels.values

    def columns(self, values: Tensor | None) -> Tensor | None:
        labels = _given(values)
        order = labels.argsort(stable=True)
        ordered = labels[order]
        first = torch.searchsorted(ordered, ordered)
        alone = torch.searchsorted(ordered, ordered, right=True) - first == 1
        place = torch.where(alone, -1, torch.arange(len(labels), device=labels.device) - first)
        return torch.stack([labels, torch.empty_like(labels).scatter_(0, order, place.to(labels.dtype))], 1)

    def relate(self, anchors: Tensor | None, references: Tensor | None, rows: slice) -> Relation:
        anchors, references = _both(anchors, references)
        tuples = (anchors[:, None, 1] == 0) & (references[None, :, 1] == 1)
        same = anchors[:, None, 0] == references[None, :, 0]
        return Relation(tuples & same, tuples & ~same)

    def classes(self) -> Tensor | None:
        return self.values


def _graded(said: Tensor) -> Relation:
    if said.dtype == torch.bool:
        return Relation(said, ~said)
    if not traced() and not bool((said >= 0).all()):
        raise InputError("weights of pairs must be at least 0 and not NaN")
    return Relation(said > 0, said == 0, said)


def _given(values: Tensor | None) -> Tensor:
    if values is None:
        raise InputError("this pairs rule needs a value of each sample")
    return values


def _both(anchors: Tensor | None, references: Tensor | None) -> tuple[Tensor, Tensor]:
    return _given(anchors), _given(references)
