"""One sweep: every loss, with every option that changes its rows, against slow scalar loops.

A case is a loss variant x a distance x a rule of pairs x a form of input. It runs dense and in blocks of 1, 3 and 7, in
float64, float32 and from bfloat16 embeddings, and must equal its oracle in value and in every gradient.
"""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nearkin.core.tensors import Block, Terms
from nearkin.distances import DISTANCES, Mahalanobis, make_distance
from nearkin.losses import LOSSES, Contrastive, RowLoss, Triplet
from nearkin.mining import MINERS, MiningRule
from nearkin.pairs import Relation, SameLabel, rules
from oracles import distances as far
from oracles.gradient import value_and_gradient
from sweeps import inputs
from sweeps.inputs import Batch
from sweeps.variants import ROW_LOSSES, VARIANTS, Variant

FLOAT64, FLOAT32, BFLOAT16 = torch.float64, torch.float32, torch.bfloat16
EVERY_MODE = [(FLOAT64, size) for size in (None, 1, 3, 7)] + [
    (t, size) for t in (FLOAT32, BFLOAT16) for size in (None, 3)
]
HALF_THE_MODES = [(FLOAT64, None), (FLOAT64, 1), (FLOAT64, 3), (FLOAT32, 3), (BFLOAT16, None)]
SOME_MODES = [(FLOAT64, None), (FLOAT64, 4), (FLOAT32, 2)]
TOLERANCE = {FLOAT64: (1e-9, 1e-9), FLOAT32: (1e-5, 1e-4), BFLOAT16: (1e-5, 1e-2)}
"""Of the value, and of gradients relative to the largest of their entries (bfloat16 gradients are rounded)."""

SWEPT_DISTANCES = (
    *("cosine", "euclidean", "inner-product", "mahalanobis", "relative-mahalanobis", "snr", "snr-symmetric"),
    "squared-euclidean",
)


def check(loss: Any, variant: Variant, distance: Any, pair: Any, batch: Batch, modes: list[tuple[Any, Any]]) -> None:
    """`loss(distance, block_size)` on the batch equals the variant's oracle in every mode, gradients included.

    A distance that is named in far.LEARNED gets an L of rank 2, whose gradient must be right as well.
    """
    learned = isinstance(distance, str) and distance in far.LEARNED
    arrays = {**batch.arrays, **({"L": inputs.FACTOR} if learned else {})}
    oracle = inputs.with_factor(batch, variant, pair) if learned else batch.oracle(variant, pair)
    value, gradients = value_and_gradient(oracle, arrays)
    for dtype, block_size in modes:
        where = f"{variant.title}, {batch.title}, {dtype}, blocks of {block_size}"
        tensors = {name: torch.tensor(array, dtype=dtype, requires_grad=True) for name, array in batch.arrays.items()}
        made = inputs.learned_distance(distance, dtype) if learned else distance
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*no valid term")
            got = batch.loss(loss(made, block_size=block_size), variant, **tensors)
        assert got.dtype == (FLOAT64 if dtype == FLOAT64 else FLOAT32), where
        if learned:
            tensors["L"] = made.weight
        slopes = torch.autograd.grad(got, list(tensors.values()))
        close, near = TOLERANCE[dtype]
        np.testing.assert_allclose(float(got.detach()), value, close, close, err_msg=where)
        for name, slope in zip(tensors, slopes, strict=True):
            wanted = gradients[name]
            size = np.abs(wanted).max(initial=1e-3)
            np.testing.assert_allclose(slope.double().numpy(), wanted, near, near * size, err_msg=f"{where}, {name}")


LABELLED = [(variant, distance) for variant in VARIANTS for distance in SWEPT_DISTANCES if variant.works_with(distance)]


@pytest.mark.parametrize(("variant", "distance"), LABELLED, ids=[f"{v.title}, {d}" for v, d in LABELLED])
def test_every_loss_on_every_distance_in_every_mode(variant, distance):
    batch = inputs.batch_alone(inputs.BY_NAME["labels"])
    modes = HALF_THE_MODES if distance in {*far.LEARNED, "snr-symmetric"} else EVERY_MODE
    check(variant.make, variant, distance, far.PAIR[distance], batch, modes)


FORMS_OF_INPUT = ("references, labels", "ids, labels", "own columns, labels", "own columns alone", "triplets")
LEARNED = [
    (variant, distance, batch)
    for variant in {
        variant.name: variant for variant in VARIANTS if not variant.symmetric and not variant.norms
    }.values()
    for distance in far.LEARNED
    for batch in inputs.FORMS
    if batch.title in FORMS_OF_INPUT and variant.works_with(distance)
]


@pytest.mark.parametrize(
    ("variant", "distance", "batch"), LEARNED, ids=[f"{v.title}, {d}, {b.title}" for v, d, b in LEARNED]
)
def test_every_loss_reaches_a_learned_distance_from_every_form_of_input(variant, distance, batch):
    check(variant.make, variant, distance, far.PAIR[distance], batch, SOME_MODES)


def rotated() -> list[tuple[Variant, Batch, str]]:
    """Every variant in every form of input, on distances in turn; another reduction of the same rows in every second."""
    cases = []
    for turn, variant in enumerate(VARIANTS):
        able = [distance for distance in SWEPT_DISTANCES if variant.works_with(distance)]
        for place, batch in enumerate(inputs.FORMS[:: 2 if "reduction" in variant.options else 1]):
            if (
                not (variant.tuples and inputs.needs_labels(batch))
                and not (variant.ends and inputs.hides_its_references(batch))
                and not (variant.classes and not batch.title.endswith(", labels"))
            ):
                cases.append((variant, batch, able[(turn + place) % len(able)]))
    return cases


ROTATED = rotated()


@pytest.mark.parametrize(
    ("variant", "batch", "distance"), ROTATED, ids=[f"{v.title}, {b.title}" for v, b, _ in ROTATED]
)
def test_every_loss_with_every_rule_of_pairs_in_every_form_of_input(variant, batch, distance):
    check(variant.make, variant, distance, far.PAIR[distance], batch, SOME_MODES)


EXACT = ("euclidean", "inner-product", "squared-euclidean")
TIED = [
    (variant, distance)
    for variant in VARIANTS
    for distance in EXACT
    if variant.works_with(distance) and not variant.directions
]


@pytest.mark.parametrize(("variant", "distance"), TIED, ids=[f"{v.title}, {d}" for v, d in TIED])
def test_ties_and_duplicates_on_an_integer_grid(variant, distance):
    check(variant.make, variant, distance, far.PAIR[distance], inputs.on_a_grid(), [(FLOAT64, None), (FLOAT64, 3)])


def on_a_kink(variant: Variant) -> bool:
    """A zero or constant row lies at distance 1 of every other row, up to rounding: a margin of 1 ends right there."""
    return variant.name in {"contrastive", "triplet"} and variant.made.margin == 1.0


SCALED = [
    (variant, distance)
    for variant in VARIANTS
    for distance in ("cosine", "relative-mahalanobis", "snr", "snr-symmetric")
    if variant.works_with(distance) and not variant.chooses and not on_a_kink(variant)
]


@pytest.mark.parametrize(("variant", "distance"), SCALED, ids=[f"{v.title}, {d}" for v, d in SCALED])
def test_zero_rows_constant_rows_and_duplicates_under_scale_free_distances(variant, distance):
    made = make_distance(distance) if distance == "cosine" else make_distance(distance, eps=0.05)
    floored = {"snr": far.snr, "snr-symmetric": far.symmetric_snr, "relative-mahalanobis": far.relative_mahalanobis}
    pair = duplicate_safe_cosine if distance == "cosine" else lambda x, z: floored[distance](x, z, eps=0.05)
    check(variant.make, variant, made, pair, inputs.with_duplicates(), [(FLOAT64, None), (FLOAT64, 3)])


def duplicate_safe_cosine(x: Any, z: Any) -> Any:
    """1 - cos rounds to 1e-16 instead of 0 between duplicates; half the squared difference is exact there."""
    return far.near_cosine(x, z) if [complex(a).real for a in x] == [complex(a).real for a in z] else far.cosine(x, z)


# Degenerate batches

ROWS = inputs.normal(5, 21)
DEGENERATE = {
    "one class": (ROWS, [7] * 5),
    "no positives": (ROWS, [0, 1, 2, 3, 4]),
    "a batch of one": (ROWS[:1], [3]),
    "an empty batch": (ROWS[:0], []),
}
EMPTY = [(variant, name) for variant in VARIANTS for name in DEGENERATE]


def degenerate(name: str) -> Batch:
    x, labels = DEGENERATE[name]
    alone = inputs.batch_alone(inputs.BY_NAME["labels"], x, name)
    relation = inputs.kin(inputs.same_label(labels), inputs.by_position, len(x), len(x))
    given = torch.tensor(labels, dtype=torch.int64)
    return inputs.replace(
        alone,
        title=name,
        call=lambda loss, embeddings, **more: loss(embeddings, given, **more),
        kin=lambda variant: inputs.first_two(labels) if variant.tuples else relation,
    )


@pytest.mark.parametrize(("variant", "name"), EMPTY, ids=[f"{v.title}, {n}" for v, n in EMPTY])
def test_degenerate_batches_give_what_is_left_and_say_once_that_nothing_is(variant, name):
    batch = degenerate(name)
    distance = variant.able[0] if variant.able else "euclidean"
    value, gradients = value_and_gradient(batch.oracle(variant, far.PAIR[distance]), batch.arrays)
    relation = batch.kin(variant)
    pairs = sum(map(len, relation.positives)) + sum(map(len, relation.negatives))
    for block_size in (None, 2):
        loss = variant.make(distance, block_size=block_size)
        x = torch.tensor(batch.arrays["embeddings"], requires_grad=True)
        for call in (1, 2):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                got = batch.loss(loss, variant, embeddings=x)
            assert got.requires_grad
            (slope,) = torch.autograd.grad(got, x)
            np.testing.assert_allclose(float(got.detach()), value, 1e-12, 1e-15)
            np.testing.assert_allclose(slope.numpy(), gradients["embeddings"], 1e-9, 1e-15)
            empty = not terms_left(variant, relation, batch)
            assert len(said) == (1 if empty and call == 1 else 0), [str(one.message) for one in said]
            if said:
                assert "no valid term" in str(said[0].message)
            if empty:
                assert value == 0
                assert not slope.any()
    assert pairs or name in {"a batch of one", "an empty batch"} or variant.tuples


def terms_left(variant: Variant, relation: Any, batch: Batch) -> bool:
    """Whether the loss has a term at all: a pair where pairs count alone, or L2, else a positive and a negative."""
    rows = list(zip(relation.positives, relation.negatives, strict=True))
    if variant.name in {"contrastive", "ddml", "margin", "multi-similarity", "ranked-list"}:
        return any(positive or negative for positive, negative in rows)
    if variant.options.get("l2") or variant.name in {"fast-ap", "nca", "recall@k", "smooth-ap", "supcon"}:
        return any(positive for positive, _ in rows)
    return any(positive and negative for positive, negative in rows)


# The sweep covers the tables, and catches liars


def test_the_sweep_covers_every_loss_distance_and_miner():
    assert {variant.name for variant in VARIANTS} == set(ROW_LOSSES)
    assert len(ROW_LOSSES) >= 11
    assert {distance for _, distance in LABELLED} == set(DISTANCES) == set(SWEPT_DISTANCES)
    mining = {type(v.make("euclidean").mining) if isinstance(v.make("euclidean").mining, MiningRule) else v.make("euclidean").mining
              for v in VARIANTS if v.name == "triplet"}  # fmt: skip
    assert mining == {*MINERS.values(), "all", "semi-hard-set"}
    for name in DISTANCES:
        able = {loss for loss in ROW_LOSSES if name in (LOSSES[loss].make.distances or DISTANCES)}
        assert {variant.name for variant, distance in LABELLED if distance == name} == able
    assert {loss for loss in ROW_LOSSES if LOSSES[loss].make.distances} == {
        *("angular", "circle", "fast-ap", "margin", "multi-similarity", "ranked-list", "tuplet-margin")
    }


@pytest.mark.parametrize("name", ROW_LOSSES)
def test_the_sweep_turns_every_option_of_a_loss(name):
    options = set(inspect.signature(LOSSES[name].make).parameters) - {"distance", "block_size"}
    turned = {option for variant in VARIANTS if variant.name == name for option in variant.options}
    assert turned == options
    reductions = {
        variant.options.get("reduction", "") or variant.made.reduction for variant in VARIANTS if variant.name == name
    }
    assert reductions == set(LOSSES[name].make.reductions)


def test_the_sweep_has_every_rule_of_pairs_in_every_form_of_input():
    titles = {batch.title for batch in inputs.FORMS} | {"batch, labels"}
    for rule in inputs.RULES:
        assert {f"{form}, {rule.name}" for form in ("batch", "references", "ids")} <= titles
    kinds = {type(rule.labels(False)) for rule in inputs.RULES} - {Tensor}
    known = {kind for kind in vars(rules).values() if isinstance(kind, type) and issubclass(kind, rules.PairRule)}
    assert kinds | {rules.SameLabel, rules.SharedLabel, rules.FirstTwo, rules.PairRule} == known
    assert {batch.title for variant, batch, _ in ROTATED if variant.tuples} >= {"references, graded matrix", "triplets"}
    assert len(ROTATED) > 1000


def test_how_many_combinations_of_loss_distance_and_mining_are_swept():
    combinations = {(variant.name, distance) for variant, distance in LABELLED}
    assert len(combinations) == 14 * 8 + 7  # angular, circle and others read cosines alone
    mined = {(str(v.options.get("mining", "all")), distance) for v, distance in LABELLED if v.name == "triplet"}
    assert len(mined) >= 6 * 8
    for name in ("contrastive", "triplet", "n-pair", "lifted"):
        assert {distance for loss, distance in combinations if loss == name} == set(DISTANCES)


class WrongSign(Triplet):
    def term(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return torch.relu(z - self.margin), (z - self.margin > 0).to(z.dtype)


class WrongSlope(Triplet):
    def term(self, z: Tensor) -> tuple[Tensor, Tensor]:
        value, slope = super().term(z)
        return value, (z + self.margin >= 0).to(z.dtype) * 1.0 if self.margin == 1.0 else 0.999 * slope


class WrongDivisor(Triplet):
    def rows(self, block: Block) -> Terms:
        total, count, active = super().rows(block)
        return Terms(total, count + 1, active)


class OnlyDense(Triplet):
    """Right in one block; a row too few in many."""

    def rows(self, block: Block) -> Terms:
        terms = super().rows(block)
        return terms if len(block.distances) > 3 else Terms(0 * terms.total, terms.count, terms.active)


class Detached(Triplet):
    def rows(self, block: Block) -> Terms:
        total, count, active = super().rows(block)
        return Terms(total.detach() + 0 * block.distances.sum(), count, active)


class Symmetrised(Triplet):
    """Believes that every distance is symmetric: invisible on Euclidean, wrong on SNR."""

    def rows(self, block: Block) -> Terms:
        square = block.distances.shape[0] == block.distances.shape[1]
        return super().rows(block._replace(distances=(block.distances + block.distances.T) / 2) if square else block)


class IgnoresWeights(Contrastive):
    def rows(self, block: Block) -> Any:
        return super().rows(block._replace(weights=None))


LIARS = [
    (WrongSign, "triplet(margin=1.5)", "euclidean", "batch, labels"),
    (WrongSlope, "triplet()", "euclidean", "batch, labels"),
    (WrongDivisor, "triplet()", "euclidean", "batch, labels"),
    (OnlyDense, "triplet()", "euclidean", "batch, labels"),
    (Detached, "triplet()", "euclidean", "batch, labels"),
    (Symmetrised, "triplet()", "snr", "batch, labels"),
    (IgnoresWeights, "contrastive()", "euclidean", "batch, graded matrix"),
]


@pytest.mark.parametrize(("liar", "title", "distance", "form"), LIARS, ids=[liar.__name__ for liar, *_ in LIARS])
def test_the_sweep_catches_a_liar(liar, title, distance, form):
    (variant,) = [variant for variant in VARIANTS if variant.title == title]
    batches = [inputs.batch_alone(inputs.BY_NAME["labels"]), *inputs.FORMS]
    (batch,) = [batch for batch in batches if batch.title == form]

    def lying(distance: Any, **more: Any) -> RowLoss:
        return liar(distance=distance, **variant.options, **more)

    check(variant.make, variant, distance, far.PAIR[distance], batch, EVERY_MODE)
    with pytest.raises(AssertionError):
        check(lying, variant, distance, far.PAIR[distance], batch, EVERY_MODE)


@pytest.mark.parametrize("share", [0.5, 0.0])
def test_the_sweep_catches_a_learned_distance_whose_gradient_is_short(monkeypatch, share):
    def project(self: Mahalanobis, x: Tensor) -> Tensor:
        whole = self.weight.to(x)
        return x @ (share * whole + (1 - share) * whole.detach()).T

    monkeypatch.setattr(Mahalanobis, "project", project)
    batch = inputs.batch_alone(inputs.BY_NAME["labels"])
    with pytest.raises(AssertionError, match="L$|L\n"):
        check(VARIANTS[0].make, VARIANTS[0], "mahalanobis", far.mahalanobis, batch, SOME_MODES)


def test_the_sweep_catches_a_pair_that_is_kin_of_itself(monkeypatch):
    """Self-pairs that slip in by position change the value: the oracle has none."""
    variant = VARIANTS[0]
    batch = inputs.batch_alone(inputs.BY_NAME["labels"])
    labels = torch.tensor(inputs.LABELS)

    class Careless(SameLabel):
        def relate(self, anchors: Any, references: Any, rows: slice) -> Relation:
            return Relation(*(torch.ones(rows.stop - rows.start, 9, dtype=torch.bool) for _ in range(2)))

    careless = inputs.replace(batch, call=lambda loss, embeddings, **more: loss(embeddings, Careless(labels), **more))
    with pytest.raises(AssertionError):
        check(variant.make, variant, "euclidean", far.euclidean, careless, SOME_MODES)
