"""Slopes made by hand equal those of autograd: `closed` against `rows`, in every mode that takes it."""

import copy

import pytest
import torch

from nearkin import Contrastive, NPair, Triplet
from nearkin.distances import DISTANCES, Euclidean, make_distance
from nearkin.losses import make_loss
from nearkin.losses.engine import RowLoss
from nearkin.pairs import Matrix
from sweeps.variants import ROW_LOSSES, VARIANTS

LABELS = {
    "equal classes": [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3],
    "unequal classes": [5, 5, 5, 5, 5, 5, 2, 2, 9, 7, 7, 7],
    "one class": [1] * 12,
    "no positives": list(range(12)),
}


def make(variant, **options):
    if variant.classes:
        options["classes"] = 60
    return variant.make((variant.able or (DEFAULT.get(variant.name, "euclidean"),))[0], **options).double()


DEFAULT = {"n-pair": "inner-product"}
CLOSED = [variant for variant in VARIANTS if make(variant).closed is not None]


def rows(count, seed=0, dimensions=6, dtype=torch.float64):
    return torch.randn(count, dimensions, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def by_autograd(loss: RowLoss) -> RowLoss:
    plain = copy.deepcopy(loss)
    plain.closed = None
    return plain


def value_and_gradients(loss, embeddings, labels, references=None, reference_labels=None):
    embeddings = embeddings.clone().requires_grad_()
    references = None if references is None else references.clone().requires_grad_()
    value = loss(embeddings, labels, references, reference_labels)
    inputs = [embeddings, *([] if references is None else [references]), *loss.parameters()]
    return value.detach(), torch.autograd.grad(value, inputs, allow_unused=True)


def same(loss, *arguments, rtol=1e-9, atol=1e-11):
    found, expected = value_and_gradients(loss, *arguments), value_and_gradients(by_autograd(loss), *arguments)
    torch.testing.assert_close(found[0], expected[0], rtol=rtol, atol=atol)
    for one, other in zip(found[1], expected[1]):
        torch.testing.assert_close(
            one, other, rtol=rtol, atol=atol * max(1, 1 if other is None else float(other.abs().max()))
        )
    return found


@pytest.mark.filterwarnings("ignore:.*no valid term")
@pytest.mark.parametrize("size", [None, 5], ids=["dense", "blocks"])
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("variant", CLOSED, ids=lambda variant: variant.title)
def test_a_batch_alone(variant, labels, size):
    loss = make(variant, block_size=size)
    same(loss, rows(12), torch.tensor(LABELS[labels]))


@pytest.mark.filterwarnings("ignore:.*no valid term")
@pytest.mark.parametrize("size", [None, 5], ids=["dense", "blocks"])
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("variant", CLOSED, ids=lambda variant: variant.title)
def test_references(variant, labels, size):
    loss = make(variant, block_size=size)
    same(loss, rows(12), torch.tensor(LABELS[labels]), rows(7, seed=1), torch.tensor([0, 1, 5, 5, 2, 1, 30]))


DISTANCE_CASES = [(name, {}) for name in sorted(DISTANCES)] + [
    ("mahalanobis", {"squared": True}),
    ("relative-mahalanobis", {"power": 1}),
]


@pytest.mark.parametrize("size", [None, 5], ids=["dense", "blocks"])
@pytest.mark.parametrize("distance", DISTANCE_CASES, ids=lambda case: "-".join(map(str, [case[0], *case[1]])))
@pytest.mark.parametrize("name", ["contrastive", "n-pair", "triplet"])
def test_every_distance(name, distance, size):
    loss = make_loss(name, distance=make_distance(distance[0], **distance[1]), block_size=size)
    same(loss, rows(12), torch.tensor(LABELS["unequal classes"]))


@pytest.mark.parametrize("variant", CLOSED, ids=lambda variant: variant.title)
def test_duplicates_have_finite_slopes(variant):
    x = (rows(12) * 8).round() / 8  # products round none of these: rows alike are equally far for autograd too
    x[3] = x[0]
    x[4] = x[1]
    x[7] = x[8]
    x[5] = 0
    same(make(variant), x, torch.tensor(LABELS["unequal classes"]))


@pytest.mark.parametrize("few", ["few in float64", "all in float32"])
@pytest.mark.parametrize("variant", CLOSED, ids=lambda variant: variant.title)
def test_single_precision_is_as_good_as_that_of_rows(variant, few):
    x, labels = rows(60, dimensions=16), torch.arange(60) // 4
    loss = make(variant)
    if few == "all in float32" and loss.precise is not True:
        loss.precise = 0
    exact, slopes = value_and_gradients(by_autograd(loss), x, labels)
    value, found = value_and_gradients(loss, x.float(), labels)
    _, others = value_and_gradients(by_autograd(loss), x.float(), labels)
    assert abs(float(value) - float(exact)) <= 2e-6 * max(abs(float(exact)), 1e-3)
    error, usual = ((each[0].double() - slopes[0]).abs().max() for each in (found, others))
    assert error <= max(3e-6 * float(slopes[0].abs().max()) + 1e-9, 2 * float(usual))


@pytest.mark.parametrize("size", [None, 5], ids=["dense", "blocks"])
@pytest.mark.parametrize("variant", CLOSED, ids=lambda variant: variant.title)
def test_measure_says_the_same(variant, size):
    loss = make(variant, block_size=size)
    x, labels = rows(12), torch.tensor(LABELS["unequal classes"])
    found, expected = (each.measure(x, labels) for each in (loss, by_autograd(loss)))
    assert float(found.value.detach()) == pytest.approx(float(expected.value.detach()), rel=1e-9)
    assert found[2:] == pytest.approx(expected[2:], rel=1e-9, nan_ok=True)
    assert found.active == (None if expected.active is None else pytest.approx(expected.active, rel=1e-9))


@pytest.mark.parametrize("loss", [Triplet(), Contrastive(), NPair(pairs="all")], ids=lambda loss: type(loss).__name__)
def test_backward_twice_and_a_double_backward_are_right(loss):
    x, labels = rows(12).requires_grad_(), torch.tensor(LABELS["equal classes"])
    value = loss(x, labels)
    first = torch.autograd.grad(value, x, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(value, x, retain_graph=True)[0])
    (graph,) = torch.autograd.grad(value, x, create_graph=True)
    expected = by_autograd(loss)(x, labels)
    (other,) = torch.autograd.grad(expected, x, create_graph=True)
    torch.testing.assert_close(graph, other)
    torch.testing.assert_close(*(torch.autograd.grad(each.square().sum(), x)[0] for each in (graph, other)))


@pytest.mark.filterwarnings("ignore:.*no valid term")
@pytest.mark.parametrize("size", [None, 4], ids=["dense", "blocks"])
@pytest.mark.parametrize("variant", CLOSED, ids=lambda variant: variant.title)
def test_samples_that_are_among_the_references_are_left_out(variant, size):
    loss, x, labels = make(variant, block_size=size), rows(12), torch.tensor(LABELS["unequal classes"])
    ids = torch.tensor([3, 4, 5, 6, 7, 8, 9, 9, 11, 12, 13, 14])
    reference_ids = torch.tensor([3, 3, 40, 8, 9, 41, 12])
    other = torch.tensor([5, 5, 5, 2, 2, 9, 9])  # one id stands beside another label
    for given in ((None, None, None), (rows(7, seed=1), other, reference_ids)):
        found, expected = (
            torch.autograd.grad(
                each(y := x.clone().requires_grad_(), labels, *given[:2], ids=ids, reference_ids=given[2]), y
            )
            for each in (loss, by_autograd(loss))
        )
        torch.testing.assert_close(found[0], expected[0], rtol=1e-8, atol=1e-10)


@pytest.mark.filterwarnings("ignore:.*no valid term")
@pytest.mark.parametrize("begin", ["the batch", "other views of it", "the batch, and copies later"])
@pytest.mark.parametrize("size", [None, 4], ids=["dense", "blocks"])
@pytest.mark.parametrize("variant", CLOSED, ids=lambda variant: variant.title)
def test_references_that_begin_with_the_batch_as_a_memory_does(variant, size, begin):
    loss, labels = make(variant, block_size=size), torch.tensor(LABELS["unequal classes"])
    anchors, more = rows(12).requires_grad_(), rows(8, seed=1).requires_grad_()
    first = anchors + (0.3 * rows(12, seed=2) if begin == "other views of it" else 0)
    columns, ids = torch.cat([first, more]), torch.arange(20)
    if begin.endswith("later"):
        ids[15] = 3
    given = {"ids": ids[:12], "reference_ids": ids}
    found, wanted = (
        each(anchors, labels, columns, torch.cat([labels, labels[:8]]), **given) for each in (loss, by_autograd(loss))
    )
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-11)
    slopes = [torch.autograd.grad(each, (anchors, more), retain_graph=True, allow_unused=True) for each in (found, wanted)]
    torch.testing.assert_close(*slopes, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("moved", "wanted"), [(None, True), ("row", False), ("id", False)])
def test_whether_references_lead_with_the_batch_is_told_by_ids_and_rows(moved, wanted):
    x, y, ids = rows(6), torch.tensor([0, 0, 1, 1, 2, 2]), torch.arange(6)
    columns, column_ids = torch.cat([x, x]), torch.cat([ids, ids + 6])
    if moved == "row":
        columns[4] += 1e-9
    if moved == "id":
        column_ids[4] = 99
    call = Contrastive()._arranged(x, y, columns, y.repeat(2), ids=ids, reference_ids=column_ids)
    assert call.leads == wanted
    assert not Contrastive()._arranged(x, y, columns[:5], y[:5], ids=ids, reference_ids=ids[:5]).leads
    assert not Contrastive()._arranged(x, y, columns, y.repeat(2)).leads


def test_closed_is_used_where_it_is_there(monkeypatch):
    loss = Contrastive()
    monkeypatch.setattr(Contrastive, "rows", None)
    loss(rows(6), torch.tensor([0, 0, 1, 1, 2, 2]))
    with pytest.raises(TypeError, match="not callable"):
        loss(rows(6), Matrix(torch.eye(6, dtype=torch.bool)))


def test_who_changes_a_loss_or_a_distance_gets_what_is_written():
    class Doubled(Contrastive):
        def rows(self, block):
            return tuple(term._replace(total=2 * term.total) for term in super().rows(block))

    class Halved(Euclidean):
        def link(self, squared, anchor_norm, reference_norm):
            return super().link(squared, anchor_norm, reference_norm) / 2

    x, labels = rows(6), torch.tensor([0, 0, 1, 1, 2, 2])
    assert Doubled.closed is None and Halved().closed_form() is None
    assert float(Doubled(form="linear")(x, labels)) == pytest.approx(2 * float(Contrastive(form="linear")(x, labels)))
    assert float(Contrastive(distance=Halved(), margin=0.5)(x, labels)) == pytest.approx(
        float(Contrastive()(x, labels)) / 4
    )


def test_what_a_loss_itself_learns_has_a_gradient():
    x, labels = rows(6), torch.tensor([0, 0, 1, 1, 2, 2])
    loss = Contrastive(margin=3.0)
    del loss.margin
    loss.margin = torch.nn.Parameter(torch.tensor(3.0))
    value = loss(x, labels)
    assert float(value.detach()) == pytest.approx(float(Contrastive(margin=3.0)(x, labels)))
    assert torch.autograd.grad(value, loss.margin)[0] > 0


def test_all_of_the_table_that_have_a_closed_form_are_tried():
    assert {variant.name for variant in CLOSED} == {name for name in ROW_LOSSES if make_loss(name).closed is not None}


@pytest.mark.parametrize("name", ["circle", "tuplet-margin", "smooth-ap", "recall@k"])
def test_large_scales_do_not_multiply_the_rounding_of_distances(name):
    x, labels = rows(132, dimensions=32), torch.arange(132) // 4
    loss = make_loss(name)
    exact, slopes = value_and_gradients(by_autograd(loss), x.float().double(), labels)
    for form in (loss, by_autograd(loss)):
        value, found = value_and_gradients(form, x.float(), labels)
        assert value.dtype == torch.float32 and abs(float(value) - float(exact)) <= 2e-7 * float(exact)
        assert (found[0].double() - slopes[0]).abs().max() <= 3e-7 * slopes[0].abs().max()


@pytest.mark.parametrize(("references", "wanted"), [(None, 128), (64, 128), (65, 126)])
def test_how_many_distances_are_in_float64(references, wanted):
    """16,384 pairs of a batch with itself, half as many with references."""
    loss, columns = Contrastive(), None if references is None else rows(references, dtype=torch.float32)
    given = () if columns is None else (columns, torch.zeros(references, dtype=torch.int64))
    for count in (wanted, wanted + 1):
        call = loss._arranged(rows(count, dtype=torch.float32), torch.zeros(count, dtype=torch.int64), *given)
        assert (call.dtype == torch.float64) == (count == wanted)


def test_a_batch_that_goes_in_blocks_by_itself_may_still_be_differentiated_twice():
    x, labels = rows(1100, dimensions=3).requires_grad_(), torch.arange(1100) // 4
    loss = make_loss("supcon")
    assert loss._size(loss._arranged(x, labels), by_hand=True) == 512
    value, expected = loss(x, labels), by_autograd(loss)(x, labels)
    (found,), (wanted,) = (torch.autograd.grad(each, x, create_graph=True) for each in (value, expected))
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(*(torch.autograd.grad(each.square().sum(), x)[0] for each in (found, wanted)))
