"""One call of a loss, checked and arranged: anchors, columns, who is kin to whom, who is who."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nearkin.core import InputError, InputTypeError
from nearkin.core.tensors import Own
from nearkin.distances import Distance, compute_dtype, wide
from nearkin.losses.group import Group, gathered
from nearkin.pairs import FirstTwo, PairRule, Relation, SameLabel, SharedLabel, as_rule, as_values


@dataclass(frozen=True)
class Call:
    """What the engine sweeps over. Vectors are projected and wide; columns are everybody's."""

    distance: Distance
    anchors: Tensor  # (n, D)
    references: Tensor  # (R, D)
    own: Own | None  # vectors (n, K, D)
    rule: PairRule | None
    values: Tensor | None  # of the anchors
    reference_values: Tensor | None
    ids: Tensor | None  # (n,)
    reference_ids: Tensor | None  # (R,)
    noise: Tensor | None  # (n, T)
    dtype: torch.dtype  # of distances
    answer: torch.dtype  # of the loss
    alone: bool  # the batch is its own set of references
    first: int | None  # where it is, the column of the first anchor
    identified: bool  # ids were given
    group: Group | None

    def rows(self) -> tuple[Tensor, ...]:
        """All vectors of the call, in the distance's space: (n, D) each."""
        own = () if self.own is None else (self.own.vectors.flatten(0, 1),)
        return (self.anchors, *(() if self.alone and self.group is None else (self.references,)), *own)

    def relation(self, start: int, stop: int) -> Relation:
        """Kin of a block of anchors to the shared columns; a sample is neither kin nor stranger to itself."""
        if self.rule is None:
            empty = torch.zeros(stop - start, len(self.references), dtype=torch.bool, device=self.anchors.device)
            return Relation(empty, empty)
        values = None if self.values is None else self.values[start:stop]
        relation = self.rule.relate(values, self.reference_values, slice(start, stop))
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

    def labels(self, start: int, stop: int) -> Tensor | None:
        """Class indices of a block of anchors, if the rule has them."""
        classes = None if self.rule is None else self.rule.classes()
        return None if classes is None else classes[start:stop]

    def as_columns(self) -> Call:
        """The references as anchors of a first sweep: what `prepare` says of columns."""
        if self.rule is None:
            return replace(self, anchors=self.references, own=None, ids=None, reference_ids=None, first=None)
        if self.rule.needs_reference_values:
            ids = self.reference_ids
            if ids is None:
                ids = torch.arange(len(self.references), device=self.references.device)
            return replace(
                self,
                anchors=self.references,
                own=None,
                values=self.reference_values,
                ids=ids,
                reference_ids=ids,
                first=None,
            )
        raise InputError(
            "this loss also asks which references belong together; a matrix of pairs does not say: use labels"
        )


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
    dtype: torch.dtype | None = None,
) -> Call:
    """Check what was given and arrange it for the engine. `tuples`: N-pair input out of a labelled batch; `dtype`: of
    distances, if it is not to be that of the loss."""
    check_rows("embeddings", embeddings)
    if references is not None:
        check_rows("references", references, like=embeddings)
    if references is None and reference_labels is not None and triplets is None:
        raise InputError("reference_labels say what the references are: give references as well, or leave both out")
    if triplets is not None:
        if own is not None or reference_labels is not None:
            raise InputError("give either triplets or own columns and reference labels, not both")
        embeddings, own = _from_triplets(embeddings, references, triplets)
        labels = references = None
    if labels is None and own is None:
        raise InputError(
            "labels are missing: give integers (N,), multi-hot (N, classes), a pairs rule, own columns or triplets"
        )
    if reference_ids is not None and (references is None or ids is None):
        raise InputError("reference_ids say which references are in the batch: give references and ids as well")
    if references is not None and ids is not None and reference_ids is None:
        raise InputError("ids are compared with reference_ids, which are missing")
    device, count = embeddings.device, len(embeddings)
    rule = None if labels is None else as_rule(labels, count, device)
    anchors = _projected(distance, embeddings)
    if own is not None:
        _check_own(own, embeddings)
        own = Own(_projected(distance, own.vectors), own.positives, own.negatives)
    mine = _ids("ids", ids, count, device)
    everybody: Tensor | None
    start: int | None = None
    alone = rule is not None and references is None
    if rule is not None and references is None:
        rule = _tuples(rule) if tuples else rule
        columns, start = gathered(anchors, group)
        everybody = None if mine is None else gathered(mine, group)[0]
        column_values = None if rule.values is None else rule.columns(gathered(rule.values, group)[0])
        values = column_values if column_values is None or group is None else column_values[start : start + count]
    else:
        others = embeddings[:0] if references is None else references
        columns, _ = gathered(_projected(distance, others), group)
        values = None if rule is None else rule.values
        column_values = _joint(_reference_values(rule, reference_labels, references), group)
        everybody = _joint(_ids("reference_ids", reference_ids, len(others), device), group)
    return Call(
        distance, anchors, columns, own, rule, values, column_values, mine, everybody,
        _noise(noise, generator, count, uniforms, device), _dtype(embeddings, dtype), compute_dtype(embeddings), alone, start, ids is not None, group,
    )  # fmt: skip


def _dtype(embeddings: Tensor, asked: torch.dtype | None) -> torch.dtype:
    return compute_dtype(embeddings) if asked is None or embeddings.device.type == "mps" else asked


def _projected(distance: Distance, rows: Tensor) -> Tensor:
    """Rows in the distance's space, in float64 where that keeps digits: the identity has none to lose."""
    if distance.keeps_space:
        return rows.to(compute_dtype(rows))
    return distance.project(rows if distance.widens else wide(rows))


def _joint(values: Tensor | None, group: Group | None) -> Tensor | None:
    return None if values is None else gathered(values, group)[0]


def check_rows(name: str, rows: Any, like: Tensor | None = None) -> None:
    """Raise where `rows` are no finite floating (N, D) tensor, or of other dimensions or elsewhere than `like`."""
    if not isinstance(rows, Tensor):
        raise InputTypeError(f"{name} must be a tensor of shape (rows, dimensions), got {type(rows).__name__}")
    if not rows.is_floating_point() or rows.dim() != 2:
        raise InputTypeError(
            f"{name} must be a floating tensor of shape (rows, dimensions), got {rows.dtype} of shape {tuple(rows.shape)}"
        )
    if rows.layout != torch.strided:
        kind = str(rows.layout).removeprefix("torch.")
        raise InputTypeError(f"{name} must be dense, got the layout {kind}: use {name}.to_dense()")
    if rows.is_meta and (like is None or like.is_meta):
        raise InputError(f"{name} are on the meta device, which holds shapes and no numbers: give tensors with values")
    if like is not None and (rows.shape[1] != like.shape[1] or rows.device != like.device):
        raise InputError(
            f"{name} have {rows.shape[1]} dimensions on {rows.device}, the embeddings {like.shape[1]} on {like.device}; they must agree"
        )
    if not torch.compiler.is_compiling():
        if math.isfinite(rows.detach().sum()):  # a sum of huge numbers may overflow: then look closely
            return
        bad = ~rows.detach().isfinite().all(1)
        if bool(bad.any()):
            first = int(bad.nonzero()[0])
            raise InputError(
                f"{name} hold NaN or infinity in {int(bad.sum())} of {len(rows)} rows, first in row {first}"
            )


def _check_own(own: Own, embeddings: Tensor) -> None:
    shape = tuple(own.vectors.shape)
    if len(shape) != 3 or shape[0] != len(embeddings) or shape[2] != embeddings.shape[1]:
        raise InputError(f"own vectors must have shape ({len(embeddings)}, K, {embeddings.shape[1]}), got {shape}")
    if own.vectors.device != embeddings.device:
        raise InputError(
            f"own vectors are on {own.vectors.device}, the embeddings on {embeddings.device}; they must be together"
        )
    for name, mask in (("positives", own.positives), ("negatives", own.negatives)):
        if mask.dtype != torch.bool or tuple(mask.shape) != shape[:2]:
            raise InputError(
                f"own {name} must be boolean of shape {shape[:2]}, got {mask.dtype} of shape {tuple(mask.shape)}"
            )
    if not torch.compiler.is_compiling() and not bool(own.vectors.detach().isfinite().all()):
        raise InputError("own vectors hold NaN or infinity")


def _from_triplets(embeddings: Tensor, references: Tensor | None, triplets: Any) -> tuple[Tensor, Own]:
    anchor, positive, negative = (
        as_values("triplets", column, len(column), embeddings.device)
        for column in _index_columns(triplets, embeddings.device)
    )
    columns = embeddings if references is None else references
    for name, index, rows in (
        ("anchor", anchor, embeddings),
        ("positive", positive, columns),
        ("negative", negative, columns),
    ):
        if not torch.compiler.is_compiling() and len(index) and not bool(((index >= 0) & (index < len(rows))).all()):
            raise InputError(
                f"{name} indices of triplets must lie in 0..{len(rows) - 1}, got {int(index.min())}..{int(index.max())}"
            )
    return embeddings[anchor], Own.triplets(columns[positive], columns[negative])


def _index_columns(triplets: Any, device: torch.device) -> tuple[Tensor, ...]:
    """Indices of anchors, positives and negatives, (T,) each, out of (T, 3) rows or a tuple of three columns."""
    wanted = "triplets must be (T, 3) indices or a tuple of three tensors (anchor, positive, negative) of one length"
    arrays = isinstance(triplets, tuple | list) and any(isinstance(part, Tensor | np.ndarray) for part in triplets)
    if arrays:
        columns = tuple(part if isinstance(part, Tensor) else torch.as_tensor(part, device=device) for part in triplets)
        shapes = [tuple(column.shape) for column in columns]
        if isinstance(triplets, list) or len(shapes) != 3 or len(set(shapes)) != 1 or len(shapes[0]) != 1:
            kind = type(triplets).__name__
            raise InputError(
                f"{wanted}, got a {kind} of {len(shapes)} of shapes {', '.join(map(str, dict.fromkeys(shapes)))}"
            )
        return columns
    try:
        rows = triplets if isinstance(triplets, Tensor) else torch.as_tensor(triplets, device=device)
    except (TypeError, ValueError, RuntimeError):
        raise InputTypeError(f"{wanted}, got {type(triplets).__name__}") from None
    if rows.dim() != 2 or rows.shape[1] != 3:
        raise InputError(f"{wanted}, got shape {tuple(rows.shape)}")
    return rows.unbind(1)


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


def _ids(name: str, ids: Any, count: int, device: torch.device) -> Tensor | None:
    if ids is None:
        return None
    values = as_values(name, ids, count, device)
    if values.dim() != 1:
        raise InputError(f"{name} must have shape ({count},), got {tuple(values.shape)}")
    return values


def _noise(
    noise: Tensor | None, generator: torch.Generator | None, count: int, uniforms: int, device: torch.device
) -> Tensor | None:
    if not uniforms:
        return None
    if noise is None:
        if generator is None:
            raise InputError("random mining draws numbers: pass generator=torch.Generator().manual_seed(...) or noise=")
        return torch.rand(count, uniforms, generator=generator, device=generator.device).to(device)
    if tuple(noise.shape) != (count, uniforms):
        raise InputError(f"noise must have shape ({count}, {uniforms}), got {tuple(noise.shape)}")
    return noise
