"""A loss of finite embeddings is a finite number, or an error that says what overflowed."""

from __future__ import annotations

import pytest
import torch

from losses.making import small_loss
from nearkin.core import InputError
from nearkin.core.tensors import Own
from nearkin.distances import Cosine
from nearkin.losses import LOSSES, Contrastive, NotFinite, NPair, Triplet
from sweeps.variants import ROW_LOSSES

X = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([0, 0, 1, 1, 2, 2, 2, 1])
UNBOUNDED = [name for name in ROW_LOSSES if not isinstance(small_loss(name).distance, Cosine)]  # those see directions


@pytest.mark.parametrize("name", UNBOUNDED)
def test_squared_distances_that_overflow_are_an_error_in_words(name):
    loss = small_loss(name)
    for seen in (loss, loss.measure, loss.per_anchor):
        with pytest.raises(
            NotFinite, match=r"distances of the embeddings are no longer finite: in \w+, .*float32"
        ) as caught:
            seen(X * 1e20, Y)
        assert "normalise or rescale them" in str(caught.value)
        assert isinstance(caught.value, InputError)


def test_a_loss_outside_the_engine_that_overflows_is_an_error_in_words():
    loss = small_loss("center")
    for seen in (loss, loss.measure):
        with pytest.raises(NotFinite, match=r"the loss is (inf|nan): in \w+ a number too large for float32"):
            seen(X * 1e20, Y)


def test_a_quotient_of_distances_in_float64_does_not_overflow():
    x = (X * 1e20).requires_grad_()
    value = small_loss("contrastive-center")(x, Y)
    assert value.isfinite()
    assert torch.autograd.grad(value, x)[0].isfinite().all()


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in ("sum", "memory-bank")])
def test_large_embeddings_that_fit_are_no_error(name):
    assert small_loss(name)(X * 1e15, Y).isfinite()
    assert small_loss(name)(X.double() * 1e20, Y).isfinite()


@pytest.mark.parametrize("size", [None, 2])
def test_references_and_own_columns_are_looked_at_too(size):
    loss = Triplet(block_size=size)
    with pytest.raises(NotFinite, match=r"hold numbers up to [12]\.\d+e\+20"):
        loss(X, Y, X * 1e20, Y)
    own = Own.triplets(X, X * 1e20)
    with pytest.raises(NotFinite, match="no longer finite"):
        loss(X, own=own)
    with pytest.raises(NotFinite, match="no longer finite"):
        loss(X, triplets=[[0, 1, 2]], references=X * 1e20)


@pytest.mark.parametrize("size", [None, 7, "auto"])
@pytest.mark.parametrize("count", [40, 600])
@pytest.mark.parametrize("labels", ["one class", "all alone"])
@pytest.mark.filterwarnings("ignore:.*no valid term")
def test_a_batch_without_terms_moves_nothing_though_its_distances_overflow(labels, count, size):
    classes = torch.zeros(count).long() if labels == "one class" else torch.arange(count)
    for loss in (Triplet(), Triplet(mining="semi-hard-set"), Triplet(mining="batch-hard"), NPair(pairs="all")):
        x = (X.repeat(count // 8, 1) * 1e20).requires_grad_()
        loss.block_size = size
        value = loss(x, classes)
        value.backward()
        assert value.item() == 0
        assert x.grad is not None
        assert not x.grad.any()


@pytest.mark.parametrize("labels", ["one class", "all alone"])
@pytest.mark.parametrize("name", UNBOUNDED)
@pytest.mark.filterwarnings("ignore:.*no valid term")
def test_nor_does_one_whose_slopes_autograd_makes(name, labels):
    kin = torch.zeros(8, dtype=torch.int64) if labels == "one class" else torch.arange(8)
    loss, x = small_loss(name), (X * 1e25).requires_grad_()
    loss.closed = None
    for seen in (loss, lambda *batch: loss.measure(*batch).value, lambda *batch: loss.per_anchor(*batch).sum()):
        try:
            value = seen(x, kin)
        except NotFinite:
            continue  # it has terms
        assert value == 0
        assert not torch.autograd.grad(value, x)[0].any()


@pytest.mark.parametrize("count", [40, 600])
@pytest.mark.parametrize("mining", ["all", "semi-hard-set", "semi-hard", "batch-hard"])
def test_a_miner_that_finds_nothing_among_distances_that_overflow_is_told(mining, count):
    with pytest.raises(NotFinite, match="no longer finite"):
        Triplet(mining=mining)(X.repeat(count // 8, 1) * 1e20, torch.arange(count) // 20)


def test_directions_alone_do_not_overflow():
    loss = Triplet(distance="cosine")
    torch.testing.assert_close(loss(X * 1e30, Y), loss(X, Y))


def test_a_value_that_overflows_with_distances_that_do_not_is_said():
    with pytest.raises(NotFinite, match="the loss is inf: in Contrastive a number too large for float32"):
        Contrastive(distance="squared-euclidean", reduction="sum")(X * 2e18, Y)
    with pytest.raises(NotFinite, match="make the embeddings smaller .normalise or rescale them.$"):
        NPair()(X.double() * 1e160, Y)


def test_the_look_is_no_part_of_the_graph():
    x = X.clone().requires_grad_()
    (first,) = torch.autograd.grad(Triplet()(x, Y), x)
    assert first.any() and Triplet()(x, Y).requires_grad
