"""Losses made of losses: sums, joint classification, losses of other libraries."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nearkin.core import InputError, InputTypeError
from nearkin.losses import (
    Angular,
    Center,
    Contrastive,
    EnergyConfusion,
    Foreign,
    Joint,
    NPair,
    Own,
    Sum,
    Triplet,
    ZeroMean,
)
from nearkin.testing import run_processes


def normal(*shape: int, seed: int = 5) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def drawing(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


X, Y = normal(9, 4), torch.tensor([0, 2, 0, 3, 2, 0, 3, 0, 2])


def slopes(loss: Any, x: Tensor, y: Any, *more: Any, **keywords: Any) -> list[Tensor]:
    """The value, its gradient to the embeddings and to every parameter."""
    leaf = x.clone().requires_grad_()
    value = loss(leaf, y, *more, **keywords)
    wanted = [leaf, *loss.parameters()]
    found = torch.autograd.grad(value, wanted, allow_unused=True)
    return [value.detach(), *(torch.zeros_like(w) if g is None else g for w, g in zip(wanted, found))]


def agree(got: list[Tensor], wanted: list[Tensor]) -> None:
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-13)


# Sums


def test_a_sum_is_the_weighted_sum_of_its_losses():
    parts = [Triplet(1.0), NPair(0.02), Center(5, 4).double(), ZeroMean(), EnergyConfusion()]
    weights = [1.0, 0.5, 2.0, 0.0, 0.1]
    loss = Sum([parts[0], *zip(parts[1:], weights[1:])])
    value, to_x, *_ = slopes(loss, X, Y)
    pieces = [slopes(part, X, Y) for part in parts]
    torch.testing.assert_close(value, sum(w * p[0] for w, p in zip(weights, pieces)))
    torch.testing.assert_close(to_x, sum(w * p[1] for w, p in zip(weights, pieces)))
    measure = loss.measure(X, Y)
    torch.testing.assert_close(measure.value, value)
    assert measure.active is None
    assert (measure.positive, measure.negative) == parts[0].measure(X, Y)[2:]
    assert "weights=[1.0, 0.5, 2.0, 0.0, 0.1]" in repr(loss)


def test_the_share_of_active_terms_is_the_largest_of_its_losses():
    wide, narrow = Triplet(1.0), Contrastive(0.1)
    shares = [loss.measure(X, Y).active for loss in (wide, narrow)]
    assert Sum([wide, narrow]).measure(X, Y).active == max(shares) > min(shares)


def test_columns_go_to_the_losses_that_know_them():
    anchors, positives, classes = normal(4, 3), normal(4, 3, seed=2), torch.arange(4)
    pair, angle = NPair(), Angular(form="tuples")
    loss = Sum([pair, (angle, 2.0), (ZeroMean(), 0.1), Sum([(angle, 0.5)])])
    wanted = pair(anchors, classes, positives, classes) + 2.5 * angle(anchors, classes, positives, classes)
    torch.testing.assert_close(loss(anchors, classes, positives, classes), wanted + 0.1 * ZeroMean()(anchors))
    first = torch.tensor([True, False]).expand(9, 2)
    own = Own(normal(9, 2, 4, seed=3), first, ~first)
    both = Sum([Triplet(1.0), Contrastive(2.0)])
    torch.testing.assert_close(both(X, Y, own=own), Triplet(1.0)(X, Y, own=own) + Contrastive(2.0)(X, Y, own=own))
    ready = torch.tensor([[0, 2, 1], [1, 4, 3]])
    torch.testing.assert_close(Sum([Triplet(1.0)])(X, triplets=ready), Triplet(1.0)(X, triplets=ready))


def test_random_miners_of_a_sum_draw_one_after_the_other():
    members = [Triplet(1.0, mining="random"), Contrastive(), Triplet(0.5, mining="random")]
    loss, noise = Sum(members), torch.rand(9, 4, generator=drawing(3))
    assert loss.uniforms == 4
    wanted = members[0](X, Y, noise=noise[:, :2]) + members[1](X, Y) + members[2](X, Y, noise=noise[:, 2:])
    torch.testing.assert_close(loss(X, Y, noise=noise), wanted)
    torch.testing.assert_close(loss(X, Y, generator=drawing()), loss(X, Y, generator=drawing()))


def test_a_sum_refuses_what_is_no_loss():
    with pytest.raises(InputError, match="at least one loss"):
        Sum([])
    with pytest.raises(InputTypeError, match=r"made of losses or \(loss, weight\), got Linear"):
        Sum([nn.Linear(2, 2)])
    with pytest.raises(InputError, match="weight must be"):
        Sum([(Triplet(), -1.0)])


# Joint classification


def joint(metric: Any = None, **options: Any) -> Joint:
    loss = Joint(metric, 5, 4, **options).double()
    loss.bias.data.copy_(normal(5, seed=8))
    return loss


def test_classification_is_cross_entropy_of_the_features_as_they_are():
    loss = joint()
    wanted = F.cross_entropy(5 * X @ loss.classifier.T + loss.bias, Y)
    torch.testing.assert_close(loss(5 * X, Y), wanted)
    torch.testing.assert_close(loss.classify(X).argmax(1), (X @ loss.classifier.T + loss.bias).argmax(1))
    assert loss.measure(X, Y).active is None


@pytest.mark.parametrize("normalize", [True, False])
def test_the_metric_term_sees_normalised_features_unless_told(normalize):
    metric = Triplet(0.4, mining="batch-hard", distance="squared-euclidean")
    loss, plain = joint(metric, weight=0.3, normalize=normalize), joint()
    rows = F.normalize(X) if normalize else X
    torch.testing.assert_close(loss(X, Y), plain(X, Y) + 0.3 * metric(rows, Y))
    found = loss.measure(X, Y)
    torch.testing.assert_close(found.value, loss(X, Y))
    assert (found.positive, found.negative) == metric.measure(rows, Y)[2:]
    assert type(loss.distance).__name__ == ("Cosine" if normalize else "SquaredEuclidean")


def test_dropout_is_drawn_in_training_alone_and_reaches_the_metric_term_only_if_told():
    metric = Contrastive(2.0)
    before, after = (joint(metric, dropout=0.5, normalize=False, metric_after_dropout=told) for told in (False, True))
    kept = torch.rand(X.shape, generator=drawing(4)) >= 0.5
    dropped = torch.where(kept, 2 * X, 0)
    plain = joint()
    for loss, rows in ((before, X), (after, dropped)):
        wanted = plain(dropped, Y) + 0.5 * metric(rows, Y)
        torch.testing.assert_close(loss(X, Y, generator=drawing(4)), wanted)
        with pytest.raises(InputError, match="dropout draws numbers: pass generator="):
            loss(X, Y)
        torch.testing.assert_close(loss.eval()(X, Y), plain(X, Y) + 0.5 * metric(X, Y))


def test_a_joint_loss_says_what_does_not_fit():
    with pytest.raises(InputError, match="give classes= and dimensions="):
        Joint(Triplet())(X, Y)
    with pytest.raises(InputError, match=r"labels of Joint must be class indices 0\.\.4, got 3\.\.6"):
        joint()(X, Y + 3)
    with pytest.raises(InputTypeError, match="metric must be a loss of nearkin or None"):
        Joint("triplet")
    with pytest.raises(InputError, match="dropout must be below 1"):
        Joint(dropout=1.0)
    with pytest.warns(UserWarning, match="no valid term"):
        assert joint()(X[:0], Y[:0]) == 0
    for option in ("weight=0.3", "dropout=0.2", "normalize=False", "metric_after_dropout=True", "seed=3"):
        assert option in repr(joint(weight=0.3, dropout=0.2, normalize=False, metric_after_dropout=True, seed=3))


def test_a_first_classifier_comes_from_its_seed():
    one, same, other = (Joint(None, 5, 4, seed=seed).classifier for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert float(one.detach().abs().max()) <= 0.5


# Several processes


COMPOSED = {
    "sum": lambda: Sum([Triplet(1.0), (Center(5, 4).double(), 0.5), (EnergyConfusion(), 0.1)]),
    "joint": lambda: joint(Triplet(0.4, mining="batch-hard"), weight=0.3),
    "joint of a sum": lambda: joint(Sum([Contrastive(), ZeroMean(True)])),
    "cross-entropy": joint,
}


@pytest.mark.parametrize("name", COMPOSED)
def test_two_processes_equal_one(name):
    wanted = slopes(COMPOSED[name](), X, Y)
    shares: list[Any] = [None, None]

    def work(rank: int, group: Any) -> None:
        rows = (slice(0, 4), slice(4, None))[rank]
        shares[rank] = slopes(COMPOSED[name](), X[rows], Y[rows], group=group)

    run_processes(work, 2)
    agree([shares[0][0], torch.cat([shares[0][1], shares[1][1]]) / 2], wanted[:2])
    agree([shares[1][0], *((a + b) / 2 for a, b in zip(shares[0][2:], shares[1][2:]))], [wanted[0], *wanted[2:]])


@pytest.mark.parametrize("name", COMPOSED)
def test_a_composition_can_be_copied_and_read_back(name):
    loss = COMPOSED[name]()
    other = COMPOSED[name]()
    for parameter in other.parameters():
        parameter.data.zero_()
    other.load_state_dict(copy.deepcopy(loss.state_dict()))
    assert torch.equal(other(X, Y), loss(X, Y))
    single = loss.float()(X.bfloat16(), Y)
    assert single.dtype == torch.float32
    assert float(single.detach()) == pytest.approx(float(COMPOSED[name]()(X, Y).detach()), rel=3e-2)


# Losses of other libraries


class Theirs(nn.Module):
    """Somebody's loss: a weight, and a count of its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        self.calls += 1
        return (self.weight * embeddings.square()).mean() + 0 * labels.sum()


def test_a_foreign_loss_has_the_face_and_the_state_of_a_loss():
    loss = Foreign(Theirs())
    value, to_x, to_weight = slopes(loss, X, Y)
    torch.testing.assert_close(value, X.square().mean())
    torch.testing.assert_close(to_x, 2 * X / X.numel())
    assert to_weight != 0
    measure = loss.measure(X, Y)
    d, same = torch.cdist(X, X), Y[:, None] == Y
    assert measure.active is None
    assert measure.positive == pytest.approx(float(d[same & ~torch.eye(9, dtype=torch.bool)].mean()))
    assert measure.negative == pytest.approx(float(d[~same].mean()))
    assert math.isnan(loss.measure(X[:1], Y[:1]).positive)
    assert loss.state_dict()["loss.calls"] == 3
    assert "Theirs" in repr(loss)
    torch.testing.assert_close(Sum([(loss, 2.0), Triplet()])(X, Y), 2 * X.square().mean() + Triplet()(X, Y))
    torch.testing.assert_close(joint(loss, normalize=False)(X, Y), joint()(X, Y) + 0.5 * X.square().mean())


def test_a_foreign_function_is_as_good_as_a_module():
    def constant(embeddings: Tensor, labels: Tensor) -> Tensor:
        return torch.ones(1)

    x = X.clone().requires_grad_()
    value = Foreign(constant)(x, Y)
    assert float(value.detach()) == 1
    assert not torch.autograd.grad(value, x)[0].any()
    assert Foreign(lambda e, y: e.mean())(X.bfloat16(), Y).dtype == torch.float32
    assert "constant, distance=Euclidean" in repr(Foreign(constant))


def test_a_foreign_loss_that_does_not_fit_is_refused_in_words():
    with pytest.raises(InputTypeError, match="must be callable"):
        Foreign(3)
    with pytest.raises(InputError, match=r"with one number, got shape \(9,\)"):
        Foreign(lambda e, y: e.mean(1))(X, Y)
    with pytest.raises(InputError, match="with one number, got dict"):
        Foreign(lambda e, y: {})(X, Y)
    with pytest.raises(InputError, match="Theirs is another library's loss and works on one process"):
        Foreign(Theirs())(X, Y, group=object())
    with pytest.raises(InputTypeError, match="labels must be integers"):
        Foreign(Theirs())(X, Y.float())


def test_the_distance_of_pytorch_metric_learning_is_told():
    losses = pytest.importorskip(
        "pytorch_metric_learning.losses", reason="needs pytorch-metric-learning: nearkin[bench]"
    )
    distances = pytest.importorskip("pytorch_metric_learning.distances")
    plain = {"normalize_embeddings": False}
    found = {
        "Cosine": losses.MultiSimilarityLoss(),
        "Euclidean": losses.TripletMarginLoss(distance=distances.LpDistance(**plain)),
        "InnerProduct": losses.NPairsLoss(distance=distances.DotProductSimilarity(**plain)),
        "SNR": losses.ContrastiveLoss(distance=distances.SNRDistance(**plain)),
    }
    for name, loss in found.items():
        assert type(Foreign(loss).distance).__name__ == name
        measure = Foreign(loss).measure(X, Y)
        torch.testing.assert_close(measure.value, loss(X, Y))
        assert math.isfinite(measure.positive) and math.isfinite(measure.negative)
    assert type(Foreign(Theirs(), "snr").distance).__name__ == "SNR"
    assert type(Foreign(Triplet(distance="cosine")).distance).__name__ == "Cosine"
