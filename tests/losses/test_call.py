"""What a loss takes and refuses: every mistake is one sentence with what was given and what is allowed."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
import torch

from losses.making import small_loss
from nearkin.core import InputError, InputTypeError
from nearkin.core.tensors import Own
from nearkin.losses import (
    LOSSES,
    CombinedNegatives,
    Contrastive,
    NPair,
    RowLoss,
    Triplet,
    TripletNetwork,
    TupleTriplet,
    make_loss,
)
from nearkin.pairs import Matrix, Related
from own_losses import Mahalanobis
from sweeps.variants import ROW_LOSSES

X = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = torch.tensor([0, 1, 0, 1, 2, 2])
Z = torch.randn(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
W = torch.tensor([0, 1, 1, 3])
OWN = Own(
    torch.zeros(6, 2, 3, dtype=torch.float64), torch.ones(6, 2, dtype=torch.bool), torch.zeros(6, 2, dtype=torch.bool)
)


def refuses(
    words: str, *arguments, loss: RowLoss | None = None, kind: type[Exception] = InputError, **keywords
) -> None:
    with pytest.raises(kind, match=words) as caught:
        (loss or Contrastive())(*arguments, **keywords)
    assert type(caught.value) in (InputError, InputTypeError)
    assert "\n" not in str(caught.value)


def with_value(value: float, row: int) -> torch.Tensor:
    rows = X.clone()
    rows[row, 1] = value
    return rows


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_are_refused_with_their_rows(bad):
    refuses("embeddings hold NaN or infinity in 1 of 6 rows, first in row 4", with_value(bad, 4), Y)
    refuses("references hold NaN or infinity in 1 of 6 rows, first in row 2", X, Y, with_value(bad, 2), Y)
    refuses("own vectors hold NaN or infinity", X, own=OWN._replace(vectors=OWN.vectors + bad))


@pytest.mark.parametrize("size", [None, 2])
def test_nan_is_refused_in_blocks_too(size):
    refuses("embeddings hold NaN", with_value(float("nan"), 5), Y, loss=Triplet(block_size=size))


def test_embeddings_of_the_wrong_kind_or_shape_are_refused():
    refuses("embeddings must be a tensor of shape", X.tolist(), Y)
    refuses(r"must be a floating tensor of shape \(rows, dimensions\), got torch.int64", X.long(), Y)
    refuses(r"got torch.float64 of shape \(18,\)", X.flatten(), Y)
    refuses(r"references must be a floating tensor .* got torch.float64 of shape \(4,\)", X, Y, Z[:, 0], W)
    refuses("references have 2 dimensions on cpu, the embeddings 3 on cpu", X, Y, Z[:, :2], W)
    refuses("references have 3 dimensions on meta, the embeddings 3 on cpu", X, Y, Z.to("meta"), W)


def test_labels_are_integers_of_the_right_number_on_the_same_device():
    refuses(r"labels must be integers \(class indices\), got torch.float32: use labels.long\(\)", X, Y.float())
    refuses("labels must be integers .* got booleans", X, Y > 0)
    refuses(r"labels must have shape \(6,\) or \(6, classes\), got \(5,\)", X, Y[:5])
    refuses("labels are on meta, the embeddings on cpu", X, Y.to("meta"))
    refuses("multi-hot, 0 and 1", X, Y[:, None] + torch.tensor([0, 1]))
    refuses("labels are missing", X)
    refuses("the pairs rule describes 5 samples, the embeddings are 6", X, Matrix(torch.ones(5, 5) > 0))


def test_reference_labels_are_asked_for_and_must_be_of_the_same_kind():
    refuses("references need reference_labels of the same kind as labels", X, Y, Z)
    refuses(r"reference_labels must be integers \(class indices\), got torch.float32", X, Y, Z, W.float())
    refuses(r"reference_labels must have shape \(4,\)", X, Y, Z, W[:3])
    refuses(
        r"reference_labels of shape \(4, 2\) do not fit labels of shape \(6,\)",
        X,
        Y,
        Z,
        (W[:, None] > 1).long().expand(4, 2),
    )
    multi = torch.eye(6, dtype=torch.int64)
    refuses(r"do not fit labels of shape \(6, 6\)", X, multi, Z, multi[:4, :5])
    refuses("reference_labels are on meta", X, Y, Z, W.to("meta"))


def test_multi_hot_reference_labels_are_integers_too():
    multi = torch.eye(6, dtype=torch.int64)
    refuses(r"reference_labels must be integers \(class indices\), got torch.float32", X, multi, Z, multi[:4].float())
    refuses("multi-hot, 0 and 1", X, multi, Z, 2 * multi[:4])


def test_a_matrix_of_pairs_must_fit_the_columns():
    refuses(
        "a matrix of pairs must have a column for each of the 6 references; its rows have 5",
        X,
        Matrix(torch.ones(6, 5) > 0),
    )
    refuses("a column for each of the 6 references; its rows have 1", X, Matrix(torch.ones(6, 1) > 0))
    refuses("a column for each of the 4 references; its rows have 6", X, Matrix(torch.ones(6, 6) > 0), Z)


def test_ids_come_on_both_sides_or_on_none():
    ids, reference_ids = torch.arange(6), torch.arange(4)
    refuses("reference_ids", X, Y, Z, W, ids=ids)
    refuses("ids", X, Y, Z, W, reference_ids=reference_ids)
    refuses("reference_ids", X, Y, ids=ids, reference_ids=ids)
    refuses(r"ids must have shape \(6,\)", X, Y, Z, W, ids=ids[:5], reference_ids=reference_ids)
    refuses(r"reference_ids must have shape \(4,\)", X, Y, Z, W, ids=ids, reference_ids=ids)
    refuses("ids must be integers", X, Y, Z, W, ids=ids.float(), reference_ids=reference_ids)
    refuses(r"ids must have shape \(6,\), got \(6, 2\)", X, Y, ids=torch.ones(6, 2, dtype=torch.int64))


def test_own_columns_must_fit_the_anchors():
    refuses(r"own vectors must have shape \(6, K, 3\), got \(5, 2, 3\)", X, own=OWN._replace(vectors=OWN.vectors[:5]))
    refuses(
        r"own vectors must have shape \(6, K, 3\), got \(6, 2, 2\)", X, own=OWN._replace(vectors=OWN.vectors[:, :, :2])
    )
    refuses(r"own vectors must have shape \(6, K, 3\), got \(6, 3\)", X, own=OWN._replace(vectors=OWN.vectors[:, 0]))
    refuses(
        r"own negatives must be boolean of shape \(6, 2\), got torch.int64",
        X,
        own=OWN._replace(negatives=OWN.negatives.long()),
    )
    refuses(
        r"own positives must be boolean of shape \(6, 2\), got torch.bool of shape \(6, 1\)",
        X,
        own=OWN._replace(positives=OWN.positives[:, :1]),
    )
    refuses("own vectors are on meta, the embeddings on cpu", X, own=OWN._replace(vectors=OWN.vectors.to("meta")))


def test_ready_triplets_are_three_columns_of_indices_in_range():
    refuses(
        r"triplets must be \(T, 3\) indices or a tuple of three tensors .* got shape \(4, 2\)",
        X,
        triplets=torch.zeros(4, 2, dtype=torch.int64),
    )
    refuses(r"negative indices of triplets must lie in 0..5, got 6..6", X, triplets=torch.tensor([[0, 1, 6]]))
    refuses(
        r"anchor indices of triplets must lie in 0..5, got -1..2", X, triplets=torch.tensor([[-1, 1, 0], [2, 0, 1]])
    )
    refuses(
        r"positive indices of triplets must lie in 0..3, got 4..4", X, references=Z, triplets=torch.tensor([[5, 4, 0]])
    )
    refuses("triplets must be integers", X, triplets=torch.tensor([[0.0, 1.0, 2.0]]))
    refuses("give either triplets or own columns and reference labels", X, triplets=torch.tensor([[0, 1, 2]]), own=OWN)
    refuses(
        "give either triplets or own columns and reference labels", X, None, Z, W, triplets=torch.tensor([[0, 1, 2]])
    )


THREE = [[0, 1, 4], [1, 2, 5], [3, 4, 0]]


@pytest.mark.parametrize(
    "given",
    [THREE, tuple(map(tuple, THREE)), np.array(THREE), torch.tensor(THREE, dtype=torch.int32)],
    ids=["lists", "tuples", "array", "int32"],
)
def test_three_triplets_are_read_row_by_row_whatever_holds_them(given):
    wanted = Triplet()(X, triplets=torch.tensor(THREE))
    assert Triplet()(X, triplets=torch.tensor(THREE).T.contiguous()) != wanted
    assert torch.equal(Triplet()(X, triplets=given), wanted)


@pytest.mark.parametrize("make", [torch.tensor, np.array])
def test_a_tuple_of_three_columns_is_read_column_by_column(make):
    columns = tuple(make(column) for column in zip(*THREE, strict=True))
    assert torch.equal(Triplet()(X, triplets=columns), Triplet()(X, triplets=torch.tensor(THREE)))


def test_triplets_of_a_shape_that_can_be_read_in_two_ways_are_refused():
    columns = torch.tensor(THREE).unbind(1)
    refuses(r"a tuple of three tensors .* got a list of 3 of shapes \(3,\)", X, triplets=list(columns))
    refuses(r"got a tuple of 2 of shapes \(3,\)", X, triplets=columns[:2])
    refuses(r"got a tuple of 3 of shapes \(3,\), \(2,\)", X, triplets=(columns[0], columns[1], columns[2][:2]))
    refuses(r"got a tuple of 3 of shapes \(3, 3\)", X, triplets=(np.array(THREE),) * 3)
    refuses(r"got shape \(3,\)", X, triplets=[0, 1, 2])
    refuses("must be .* got str", X, triplets="abc")
    refuses("must be .* got list", X, triplets=[[0, 1, 2], [0, 1]])


def test_labels_of_references_without_references_are_not_ignored():
    refuses("reference_labels say what the references are: give references as well", X, Y, None, Y)
    refuses("give references as well", X, Y, None, Y, loss=Triplet())
    refuses("give references as well", X, None, None, Y, own=OWN)


@pytest.mark.parametrize("name", LOSSES)
def test_embeddings_without_numbers_or_with_holes_are_refused(name):
    loss = small_loss(name)
    for seen in (loss, loss.measure):
        with pytest.raises(InputError, match="embeddings are on the meta device, which holds shapes and no numbers"):
            seen(X.to("meta"), Y.to("meta"))
        with pytest.raises(InputError, match=r"embeddings must be dense, got the layout sparse_coo: use .*to_dense\(\)"):
            seen(X.to_sparse(), Y)
    if name in ROW_LOSSES:
        refuses("references must be dense", X, Y, Z.to_sparse(), W, loss=loss)


def test_random_mining_needs_noise_or_a_generator_never_global_numbers():
    loss = Triplet(mining="random")
    refuses("random mining draws numbers: pass generator=torch.Generator", X, Y, loss=loss)
    refuses(r"noise must have shape \(6, 2\), got \(6, 3\)", X, Y, loss=loss, noise=torch.rand(6, 3))

    def value(seed: int) -> float:
        return loss(X, Y, generator=torch.Generator().manual_seed(seed)).item()

    assert value(0) == value(0)
    assert len({value(seed) for seed in range(6)}) > 1


def test_n_pair_tuples_out_of_a_batch_need_class_indices():
    for loss in (NPair(), TupleTriplet(), CombinedNegatives()):
        for rule in (
            torch.eye(6, dtype=torch.int64),
            Matrix(torch.ones(6, 6) > 0),
            Related(lambda a, r: a[:, None] == r, Y),
        ):
            refuses("N-pair tuples are made of class indices", X, rule, loss=loss)


@pytest.mark.parametrize("name", ROW_LOSSES)
@pytest.mark.parametrize("size", [None, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_empty_set_of_references_gives_zero_in_the_graph(name, size, dtype):
    loss = make_loss(name, block_size=size)
    x = X.to(dtype).requires_grad_()
    with pytest.warns(UserWarning, match="no valid term"):
        value = loss(x, Y, Z[:0].to(dtype), W[:0])
    assert value.item() == 0
    assert not torch.autograd.grad(value, x)[0].any()


@pytest.mark.parametrize("mining", ["all", "semi-hard-set", "semi-hard", "batch-hard", "random"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_miner_stands_an_empty_set_of_references(mining, dtype):
    loss, x, z = Triplet(mining=mining), X.to(dtype), Z[:0].to(dtype)
    with pytest.warns(UserWarning, match="no valid term"):
        assert loss(x, Y, z, W[:0], generator=torch.Generator().manual_seed(0)).item() == 0


def test_no_triplets_give_zero_in_the_graph():
    x = X.clone().requires_grad_()
    with pytest.warns(UserWarning, match="no valid term"):
        value = Triplet()(x, triplets=torch.zeros(0, 3, dtype=torch.int64))
    assert value.item() == 0
    assert not torch.autograd.grad(value, x)[0].any()


def test_references_without_labels_beside_own_columns_are_only_looked_at():
    value = TripletNetwork()(
        X, own=OWN._replace(negatives=torch.tensor([[False, True]] * 6), positives=torch.tensor([[True, False]] * 6))
    )
    assert value.item() == pytest.approx(0.5)


# The constructor


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Triplet(-0.1), "margin must be a finite number of at least 0, got -0.1"),
        (lambda: Triplet(float("nan")), "margin must be a finite number of at least 0, got nan"),
        (lambda: Triplet("0.2"), "margin must be a number of at least 0, got '0.2'"),
        (lambda: Contrastive(0.0), "margin must be a finite number above 0, got 0.0"),
        (lambda: Contrastive(positive_margin=0.1), "positive_margin belongs to form='linear'"),
        (lambda: Contrastive(form="linea"), "form must be one of 'hadsell', 'linear', got 'linea'; did you mean 'linear'"),
        (lambda: Contrastive(average="side"), "average must be one of 'pairs', 'sides'"),
        (lambda: Contrastive(reduction="sum_unordered", distance="snr"), "sum_unordered needs a symmetric distance, not SNR"),
        (lambda: Triplet(reduction="sum_unordered"), "reduction must be one of 'mean', 'mean_nonzero', 'sum'"),
        (lambda: TripletNetwork(reduction="mean_nonzero"), "reduction must be one of 'mean', 'sum'"),
        (lambda: TripletNetwork(0.0), "scale must be a finite number above 0"),
        (lambda: Triplet(hinge="hard"), "hinge must be one of 'linear', 'squared', 'soft'"),
        (lambda: Triplet(0.3, hinge="soft"), "hinge='soft' has no margin"),
        (lambda: Triplet(hinge="soft", mining="semi-hard-set"), "semi-hard-set is bounded by the margin"),
        (lambda: Triplet(hinge="soft", reduction="mean_nonzero"), "mean_nonzero"),
        (lambda: Triplet(mining="hardest"), "unknown miner 'hardest'.* known: all, .*batch-hard, .*semi-hard-set"),
        (lambda: Triplet(mining="semi-hard-sets"), "did you mean 'semi-hard-set'"),
        (lambda: Triplet(mining=3), "mining must be a name or a Miner, got int"),
        (lambda: Triplet(mining="semihard"), "did you mean 'semi-hard'"),
        (lambda: NPair(-1.0), "l2 must be a finite number of at least 0"),
        (lambda: NPair(0.1, distance="snr"), "l2 needs the embeddings' own norms, which SNR does not keep"),
        (lambda: NPair(0.1, distance=Mahalanobis(torch.eye(3))), "which Mahalanobis does not keep"),
        (lambda: NPair(pairs="two"), "pairs must be one of 'first-two', 'all'"),
        (lambda: TupleTriplet("hof"), "inner must be one of 'triplet-network', 'triplet'"),
        (lambda: CombinedNegatives(printed=True, log=True), "log belongs to the corrected form"),
        (lambda: CombinedNegatives(printed=1), "printed must be true or false, got 1"),
        (lambda: CombinedNegatives(scale=-1.0), "scale must be a finite number above 0"),
        (lambda: Triplet(block_size=0), "block_size must be a whole number of at least 1"),
        (lambda: Triplet(block_size=True), "block_size must be a whole number"),
        (lambda: Triplet(block_size="big"), "block_size must be a whole number"),
        (lambda: Triplet(distance="euclidian"), "unknown distance 'euclidian'; did you mean 'euclidean'"),
        (lambda: make_loss("tripet"), r"unknown loss 'tripet'; did you mean 'triplet'\? \(nearkin list losses\)"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_when_the_loss_is_made(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_a_misspelt_option_is_a_type_error():
    with pytest.raises(TypeError, match="margn"):
        make_loss("triplet", margn=0.1)


@pytest.mark.parametrize("name", ROW_LOSSES)
def test_a_loss_shows_its_settings(name):
    shown = repr(make_loss(name, reduction="sum"))
    assert shown.startswith(LOSSES[name].make.__name__ + "(")
    assert "reduction='sum'" in shown
    assert re.search(r"\(distance\): \w+\(", shown)


def test_pair_labels_have_an_explicit_polarity():
    loss, first, second = Contrastive(3.0), X[:3], X[3:]
    different = torch.tensor([1, 0, 1])
    by_different, by_same = (
        loss.pairs(first, second, different=different),
        loss.pairs(first, second, same=1 - different),
    )
    assert torch.equal(by_different, by_same)
    assert torch.equal(by_different, loss.pairs(first, second, different=different.bool()))
    assert not torch.equal(by_different, loss.pairs(first, second, same=different))
    for wrong in ({}, {"same": different, "different": different}):
        with pytest.raises(InputError, match="give exactly one of different= and same="):
            loss.pairs(first, second, **wrong)
    for labels in (torch.tensor([0, 1]), torch.tensor([0, 1, 2]), torch.tensor([0.0, 1.0, float("nan")])):
        with pytest.raises(InputError, match=r"pair labels must be 0 and 1 of shape \(3,\)"):
            loss.pairs(first, second, same=labels)


def test_a_batch_without_terms_is_said_once_by_each_loss():
    loss = Triplet()
    with pytest.warns(UserWarning, match="Triplet: this batch has no valid term"):
        loss(X, torch.zeros(6, dtype=torch.int64))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss(X, torch.zeros(6, dtype=torch.int64))
