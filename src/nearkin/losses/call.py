"""One call of a loss, checked and arranged: anchors, columns, who is kin to whom, who is who."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from nearkin.core import InputError
from nearkin.core.tensors import Own
from nearkin.distances import Distance, compute_dtype
from nearkin.losses.given import check_finite, check_own, check_rows, from_triplets
from nearkin.losses.group import Group, gathered
from nearkin.pairs import FirstTwo, PairRule, Relation, SameLabel, SharedLabel, as_rule, as_values

ROWS = 256
"""Anchors whose kin are looked at in one step."""


@dataclass(eq=False)
class Call:
    """What the engine sweeps over; columns are everybody's. What a fast way does not ask for is not made."""

    distance: Distance
    embeddings: Tensor  # (n, D) as they were given
    others: Tensor | None  # (R, D) references as they were given, None where the batch is its own set
    own: Own | None  # vectors (n, K, D), projected and wide
    rule: PairRule | None
    values: Tensor | None  # of the anchors
    reference_values: Tensor | None
    ids: Tensor | None  # (n,)
    reference_ids: Tensor | None  # (R,)
    noise: Tensor | None  # (n, T)
    dtype: torch.dtype  # of distances
    answer: torch.dtype  # of the loss
    first: int | None  # where the batch is its own set of references, the column of the first anchor
    identified: bool  # ids were given
    group: Group | None
    _anchors: Tensor | None = field(default=None, init=False)  # made once, at the first question
    _references: Tensor | None = field(default=None, init=False)

    @property
    def anchors(self) -> Tensor:
        """(n, D) projected and wide."""
        if self._anchors is None:
            self._anchors = self.distance.projected(self.embeddings)
        return self._anchors

    @property
    def references(self) -> Tensor:
        """(R, D) columns, projected and wide."""
        if self._references is None:
            self._references = self.anchors if self.others is None else self.distance.projected(self.others)
        return self._references

    @property
    def alone(self) -> bool:
        """Whether the batch is its own set of references."""
        return self.others is None

    @property
    def leads(self) -> bool:
        """Whether the first references are the very embeddings, known by their ids, as those of a memory bank: such distances
        to oneself are 0, and nobody asks for them."""
        count, others, ids, other_ids = len(self.embeddings), self.others, self.ids, self.reference_ids
        if self.group is not None or others is None or ids is None or other_ids is None:
            return False
        return torch.equal(ids, other_ids[:count]) and torch.equal(self.embeddings, others[:count])

    @property
    def plain(self) -> bool:
        """Whether nothing has projected or gathered the rows yet: embeddings and others are all there is."""
        return self.group is None and self._anchors is None

    @property
    def size(self) -> tuple[int, int]:
        """The number of anchors and that of columns."""
        count = self.embeddings.shape[0]
        if self.group is not None:
            return count, self.references.shape[0]
        return count, count if self.others is None else self.others.shape[0]

    @property
    def columns(self) -> Tensor | None:
        """What the rule knows of the columns."""
        values = self.reference_values
        return values if self.others is not None or self.rule is None else self.rule.columns(values)

    def gathered(self) -> Call:
        """The same call with the columns of all processes."""
        references, start = gathered(self.references, self.group)
        return replace(self, first=start if self.alone else None).on(self.anchors, references)

    def on(self, anchors: Tensor, references: Tensor) -> Call:
        """The same call on other projected rows."""
        other = copy.copy(self)
        other._anchors, other._references = anchors, references
        return other

    def check(self) -> None:
        """Raise where embeddings or references hold NaN or infinity."""
        check_finite("embeddings", self.embeddings)
        if self.others is not None:
            check_finite("references", self.others)

    def rows(self) -> tuple[Tensor, ...]:
        """All vectors of the call, in the distance's space: (n, D) each."""
        own = () if self.own is None else (self.own.vectors.flatten(0, 1),)
        return (self.anchors, *(() if self.alone and self.group is None else (self.references,)), *own)

    def relation(self, start: int, stop: int) -> Relation:
        """Kin of a block of anchors to the shared columns; a sample is neither kin nor stranger to itself."""
        if self.rule is None:
            empty = torch.zeros(stop - start, len(self.references), dtype=torch.bool, device=self.anchors.device)
            return Relation(empty, empty)
        values, columns, first = self.values, self.columns, self.first
        if values is not None:
            known = values if first is None or columns is None else columns[first : first + len(values)]
            values = known[start:stop]
        relation = self.rule.relate(values, columns, slice(start, stop))
        if relation.positives.shape != (stop - start, len(self.references)):
            raise InputError(
                f"a matrix of pairs must have a column for each of the {len(self.references)} references; "
                f"its rows have {relation.positives.shape[1]}"
            )
        ids, others = self.ids, self.reference_ids
        if self.first is not None and not self.identified:  # places tell samples apart
            others = torch.arange(len(self.references), device=self.references.device)
            ids = others[self.first : self.first + len(self.anchors)]
        if ids is None or others is None:
            return relation
        other = ids[start:stop, None] != others
        return relation._replace(positives=relation.positives & other, negatives=relation.negatives & other)

    def torn(self) -> bool:
        """Whether some anchor has a positive and a negative."""
        for start in range(0, len(self.anchors), ROWS):
            relation = self.relation(start, min(start + ROWS, len(self.anchors)))
            if bool((relation.positives.any(1) & relation.negatives.any(1)).any()):
                return True
        return False

    def nothing(self) -> Tensor:
        """The loss of no terms: 0, in the graph, moving nothing, whatever the rows."""
        none = [rows[:0].sum() for rows in (self.embeddings, self.others) if rows is not None]
        return torch.stack(none).sum().to(self.answer)

    def labels(self, start: int, stop: int) -> Tensor | None:
        """Class indices of a block of anchors, if the rule has them."""
        classes = None if self.rule is None else self.rule.classes()
        return None if classes is None else classes[start:stop]

    def as_columns(self) -> Call:
        """The references as anchors of a first sweep: what `prepare` says of columns."""
        if self.rule is not None and not self.rule.needs_reference_values:
            raise InputError(
                "this loss also asks which references belong together; a matrix of pairs does not say: use labels"
            )
        ids, values = self.reference_ids, self.reference_values
        if self.rule is None:
            ids = values = None
        elif ids is None:
            ids = torch.arange(len(self.references), device=self.references.device)
        other = replace(self, own=None, values=values, ids=ids, reference_ids=ids, first=None)
        return other.on(self.references, self.references)


def arrange(
    distance: Distance,
    embeddings: Tensor,
    labels: Any = None,
    references: Tensor | None = None,
    reference_labels: Any = None,
    *,
    ids: Any = None,
    reference_ids: Any = None,
    own: Own | None = None,
    triplets: Any = None,
    noise: Tensor | None = None,
    generator: torch.Generator | None = None,
    group: Group | None = None,
    tuples: bool = False,
    uniforms: int = 0,
    precise: int = False,
) -> Call:
    """Check what was given and arrange it for the engine. `tuples`: N-pair input out of a labelled batch; `precise`:
    whether distances are in float64 whatever the loss is in, or the number of pairs up to which they are."""
    check_rows("embeddings", embeddings, finite=triplets is not None)
    if references is not None:
        check_rows("references", references, like=embeddings, finite=triplets is not None)
    if references is None and reference_labels is not None and triplets is None:
        raise InputError("reference_labels say what the references are: give references as well, or leave both out")
    if triplets is not None:
        if own is not None or reference_labels is not None:
            raise InputError("give either triplets or own columns and reference labels, not both")
        embeddings, own = from_triplets(embeddings, references, triplets)
        labels = references = None
    if labels is None and own is None:
        raise InputError(
            "labels are missing: give integers (N,), multi-hot (N, classes), a pairs rule, own columns or triplets"
        )
    if reference_ids is not None and (references is None or ids is None):
        raise InputError("reference_ids say which references are in the batch: give references and ids as well")
    if references is not None and ids is not None and reference_ids is None:
        raise InputError("ids are compared with reference_ids, which are missing")
    device, count = embeddings.device, embeddings.shape[0]
    rule = None if labels is None else as_rule(labels, count, device)
    if own is not None:
        check_own(own, embeddings)
        own = Own(distance.projected(own.vectors), own.positives, own.negatives)
    mine = None if ids is None else _ids("ids", ids, count, device)
    start: int | None = None
    if rule is not None and references is None:
        rule = _tuples(rule) if tuples else rule
        others, everybody, start = None, mine, 0
        values = reference_values = rule.values
    else:
        others = embeddings[:0] if references is None else references
        values = None if rule is None else rule.values
        reference_values = _reference_values(rule, reference_labels, references)
        everybody = None if reference_ids is None else _ids("reference_ids", reference_ids, others.shape[0], device)
    if group is not None:
        everybody, reference_values = _joint(everybody, group), _joint(reference_values, group)
    drawn = _noise(noise, generator, count, uniforms, device) if uniforms else None
    answer = compute_dtype(embeddings)
    doubled = precise and _is_doubled(embeddings, others, precise)
    call = Call(
        distance, embeddings, others, own, rule, values, reference_values, mine, everybody, drawn,
        torch.float64 if doubled else answer, answer, start, ids is not None, group,
    )  # fmt: skip
    return call if group is None else call.gathered()


def _is_doubled(embeddings: Tensor, others: Tensor | None, precise: int) -> bool:
    """Whether distances are in float64 whatever the loss is in. References count twice: they take a product more."""
    pairs = embeddings.shape[0] * (embeddings.shape[0] if others is None else 2 * others.shape[0])
    return (precise is True or pairs <= precise) and embeddings.device.type != "mps"


def _joint(values: Tensor | None, group: Group) -> Tensor | None:
    return None if values is None else gathered(values, group)[0]


def _tuples(rule: PairRule) -> PairRule:
    if not isinstance(rule, SameLabel):
        raise InputError(
            "N-pair tuples are made of class indices (N,); for other pairs rules give references, or pairs='all'"
        )
    return FirstTwo(rule)


def _reference_values(rule: PairRule | None, reference_labels: Any, references: Tensor | None) -> Tensor | None:
    if rule is None or references is None or not rule.needs_reference_values:
        return None
    if reference_labels is None:
        raise InputError("references need reference_labels of the same kind as labels")
    values = reference_labels.values if isinstance(reference_labels, PairRule) else reference_labels
    anything = rule.classes() is None and not isinstance(rule, SharedLabel)  # a function's values, say
    if isinstance(values, Tensor) and values.is_floating_point() and anything:
        given = values
    else:
        given = as_values("reference_labels", values, len(references), references.device)
    own = rule.values
    if own is None or given.shape[1:] != own.shape[1:] or len(given) != len(references):
        raise InputError(
            f"reference_labels of shape {tuple(given.shape)} do not fit labels of shape {None if own is None else tuple(own.shape)} "
            f"and {len(references)} references"
        )
    return given


def _ids(name: str, ids: Any, count: int, device: torch.device) -> Tensor:
    values = as_values(name, ids, count, device)
    if values.dim() != 1:
        raise InputError(f"{name} must have shape ({count},), got {tuple(values.shape)}")
    return values


def _noise(
    noise: Tensor | None, generator: torch.Generator | None, count: int, uniforms: int, device: torch.device
) -> Tensor:
    if noise is None:
        if generator is None:
            raise InputError("random mining draws numbers: pass generator=torch.Generator().manual_seed(...) or noise=")
        return torch.rand(count, uniforms, generator=generator, device=generator.device).to(device)
    if tuple(noise.shape) != (count, uniforms):
        raise InputError(f"noise must have shape ({count}, {uniforms}), got {tuple(noise.shape)}")
    return noise.to(device)
