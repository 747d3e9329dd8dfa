"""The same formulas in another library give the same values and gradients, with its normalisation switched off."""

from __future__ import annotations

import copy
import math
import warnings

import pytest
import torch
from torch import Tensor

from nearkin.losses import (
    NCA,
    Angular,
    ArcFace,
    Circle,
    Contrastive,
    CosFace,
    EmbeddingNorm,
    EqualNorms,
    FastAP,
    GeneralizedLifted,
    Lifted,
    MemoryBank,
    MultiSimilarity,
    NormalizedSoftmax,
    NPair,
    NTXent,
    ProxyAnchor,
    ProxyNCAPlusPlus,
    RankedList,
    RowLoss,
    SoftTriple,
    SubCenterArcFace,
    SupCon,
    Triplet,
    TupletMargin,
    ZeroMean,
)
from nearkin.mining import EasyPositive

pml = pytest.importorskip("pytorch_metric_learning", reason="needs pytorch-metric-learning: nearkin[bench]")
losses = pytest.importorskip("pytorch_metric_learning.losses")
miners = pytest.importorskip("pytorch_metric_learning.miners")
distances = pytest.importorskip("pytorch_metric_learning.distances")
reducers = pytest.importorskip("pytorch_metric_learning.reducers")

EUCLIDEAN = distances.LpDistance(normalize_embeddings=False, p=2)
SQUARED = distances.LpDistance(normalize_embeddings=False, p=2, power=2)
PRODUCT = distances.DotProductSimilarity(normalize_embeddings=False)
NOISE = distances.SNRDistance(normalize_embeddings=False)
MEAN, NONZERO = reducers.MeanReducer(), reducers.AvgNonZeroReducer()

LOPSIDED = torch.tensor([0, 1, 0, 2, 1, 0, 3, 2, 0, 1, 1, 0])
EVERYBODY_KIN = torch.tensor([0, 1, 0, 2, 1, 0, 3, 2, 0, 1, 3, 0])
TWO_VIEWS = torch.arange(6).repeat(2)
ONE_PAIR_A_CLASS = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])


def theirs(margin: float, distance: object, reducer: object, **more: object) -> object:
    return losses.TripletMarginLoss(margin=margin, distance=distance, reducer=reducer, **more)


def ranked_list(**settings: object) -> object:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Values of Tp or Tn are too high")
        return losses.RankedListLoss(**settings)


CASES: dict[str, tuple[RowLoss, object, object]] = {
    "TRI-1 mean": (Triplet(1.0), theirs(1.0, EUCLIDEAN, MEAN), None),
    "TRI-1 mean_nonzero": (Triplet(1.0, reduction="mean_nonzero"), theirs(1.0, EUCLIDEAN, NONZERO), None),
    "TRI-2": (Triplet(0.2, distance="squared-euclidean"), theirs(0.2, SQUARED, MEAN), None),
    "TRI-3 set": (
        Triplet(1.0, mining="semi-hard-set"),
        theirs(1.0, EUCLIDEAN, MEAN),
        miners.TripletMarginMiner(1.0, type_of_triplets="semihard", distance=EUCLIDEAN),
    ),
    "TRI-4 hinge": (Triplet(0.5, mining="batch-hard"), theirs(0.5, EUCLIDEAN, MEAN), miners.BatchHardMiner(distance=EUCLIDEAN)),
    "TRI-4 soft": (
        Triplet(mining="batch-hard", hinge="soft"),
        theirs(0.0, EUCLIDEAN, MEAN, smooth_loss=True),
        miners.BatchHardMiner(distance=EUCLIDEAN),
    ),
    "CON-4": (
        Contrastive(2.0, form="linear", positive_margin=0.2),
        losses.ContrastiveLoss(pos_margin=0.2, neg_margin=2.0, distance=EUCLIDEAN),
        None,
    ),
    "CON-4 on products": (
        Contrastive(-0.6, form="linear", positive_margin=-0.9, distance="inner-product"),
        losses.ContrastiveLoss(pos_margin=0.9, neg_margin=0.6, distance=PRODUCT),
        None,
    ),
    "CON-4 on SNR": (
        Contrastive(1.5, form="linear", positive_margin=0.01, distance="snr"),
        losses.SignalToNoiseRatioContrastiveLoss(pos_margin=0.01, neg_margin=1.5, distance=NOISE),
        None,
    ),
    "LFT-1": (Lifted(), losses.LiftedStructureLoss(neg_margin=1, pos_margin=0, distance=EUCLIDEAN, reducer=MEAN), None),
    "LFT-2": (
        GeneralizedLifted(),
        losses.GeneralizedLiftedStructureLoss(neg_margin=1, distance=EUCLIDEAN, reducer=MEAN),
        None,
    ),
    "ANG-1": (Angular(40.0), losses.AngularLoss(alpha=40, reducer=MEAN), None),
    "RLL-1": (RankedList(detach=False), ranked_list(margin=0.4, Tn=10, imbalance=0.5, alpha=1.2, reducer=MEAN), None),
    "MSL-1": (MultiSimilarity(), losses.MultiSimilarityLoss(2, 50, 0.5, reducer=MEAN), None),
    "MSL-1 mined": (
        MultiSimilarity(mining="multi-similarity"),
        losses.MultiSimilarityLoss(2, 50, 0.5, reducer=MEAN),
        miners.MultiSimilarityMiner(0.1),
    ),
    "CIR-1": (Circle(scale=8.0), losses.CircleLoss(m=0.4, gamma=8, reducer=NONZERO), None),
    "SUP-1": (SupCon(), losses.SupConLoss(0.1, reducer=NONZERO), None),
    "NTX-1": (NTXent(), losses.NTXentLoss(0.07, reducer=MEAN), None),
    "NTX-1 two views": (NTXent(0.5), losses.NTXentLoss(0.5, reducer=MEAN), None),
    "TPM-1": (TupletMargin(scale=16.0), losses.TupletMarginLoss(5.73, 16, reducer=MEAN), None),
    "NCA-1": (NCA(), losses.NCALoss(1, distance=SQUARED, reducer=MEAN), None),
    "FAP-1": (FastAP(), losses.FastAPLoss(10, reducer=MEAN), None),
    "MIN-EP hard": (
        Triplet(1.0, mining="easy-positive"),
        theirs(1.0, EUCLIDEAN, MEAN),
        miners.BatchEasyHardMiner("easy", "hard", distance=distances.LpDistance()),
    ),
    "MIN-EP semi-hard": (
        Triplet(1.0, mining=EasyPositive("semi-hard")),
        theirs(1.0, EUCLIDEAN, MEAN),
        miners.BatchEasyHardMiner("easy", "semihard", distance=distances.LpDistance()),
    ),
    "MIN-MS": (Triplet(1.0, mining="multi-similarity"), theirs(1.0, EUCLIDEAN, MEAN), miners.MultiSimilarityMiner(0.1)),
    "NP-1": (NPair(), losses.NPairsLoss(distance=PRODUCT, reducer=MEAN), None),
    "NP-3": (NPair(pairs="all"), losses.NTXentLoss(temperature=1.0, distance=PRODUCT, reducer=MEAN), None),
}  # fmt: skip


def test_the_zero_mean_regulariser_is_theirs():
    regularizers = pytest.importorskip("pytorch_metric_learning.regularizers")
    x = torch.randn(12, 5, generator=torch.Generator().manual_seed(7), dtype=torch.float64).requires_grad_()
    torch.testing.assert_close(ZeroMean()(x), regularizers.ZeroMeanRegularizer()(x))
    torch.testing.assert_close(slope(ZeroMean()(x), x), slope(regularizers.ZeroMeanRegularizer()(x), x))


PROXIED: dict[str, tuple[object, object]] = {
    "PNC-2": (
        ProxyNCAPlusPlus(4, 5),
        losses.ProxyNCALoss(4, 5, softmax_scale=9, distance=distances.LpDistance(power=2), reducer=MEAN),
    ),
    "PAN-1": (ProxyAnchor(6, 5), losses.ProxyAnchorLoss(6, 5, margin=0.1, alpha=32)),
    "NSM-1": (NormalizedSoftmax(4, 5), losses.NormalizedSoftmaxLoss(4, 5, temperature=0.05, reducer=MEAN)),
    "CSF-1": (CosFace(4, 5), losses.CosFaceLoss(4, 5, margin=0.35, scale=64, reducer=MEAN)),
    "ARC-1": (ArcFace(4, 5), losses.ArcFaceLoss(4, 5, margin=math.degrees(0.5), scale=64, reducer=MEAN)),
    "ARC-1 wide": (
        ArcFace(4, 5, margin=1.8, scale=8.0),
        losses.ArcFaceLoss(4, 5, margin=math.degrees(1.8), scale=8, reducer=MEAN),
    ),
    "SUB-1": (
        SubCenterArcFace(4, 5),
        losses.SubCenterArcFaceLoss(num_classes=4, embedding_size=5, margin=math.degrees(0.5), scale=64, sub_centers=3, reducer=MEAN),
    ),
    "STP-1": (
        SoftTriple(4, 5, regularizer=0.0),
        losses.SoftTripleLoss(4, 5, centers_per_class=10, la=20, gamma=0.1, margin=0.01, reducer=MEAN),
    ),
}


@pytest.mark.parametrize("block_size", [None, 5])
@pytest.mark.parametrize("name", PROXIED)
def test_losses_on_proxies_equal_those_of_pytorch_metric_learning(name, block_size):
    """The gradient of the proxies too; theirs are columns (D, C K) but for two. Six classes: two are not in the batch."""
    ours, their_loss = PROXIED[name]
    ours, their_loss = copy.deepcopy(ours).double(), copy.deepcopy(their_loss).double()
    ours.loss.block_size = block_size
    (weight,) = their_loss.parameters()
    turned = weight.shape != ours.proxies.shape
    weight.data = (ours.proxies.T if turned else ours.proxies).detach().clone()
    x = torch.randn(12, 5, generator=torch.Generator().manual_seed(7), dtype=torch.float64).requires_grad_()
    value, wanted = ours(x, LOPSIDED), their_loss(x, LOPSIDED)
    torch.testing.assert_close(value, wanted, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(slope(value, x), slope(wanted, x), rtol=1e-9, atol=1e-11)
    theirs_of_proxies = slope(wanted, weight)
    torch.testing.assert_close(
        slope(value, ours.proxies), theirs_of_proxies.T if turned else theirs_of_proxies, rtol=1e-9, atol=1e-11
    )


def test_their_arcface_has_no_gradient_on_its_proxy_and_ours_has_one():
    ours, their_loss = ArcFace(3, 5).double(), losses.ArcFaceLoss(3, 5).double()
    their_loss.W.data = ours.proxies.detach().T.clone()
    x = torch.nn.functional.normalize(ours.proxies.detach()).requires_grad_()
    y = torch.arange(3)
    assert not slope(their_loss(x, y), x).isfinite().all(), "theirs is repaired: say so in the docstring of ArcFace"
    for of in (x, ours.proxies):
        assert slope(ours(x, y), of).isfinite().all()


@pytest.mark.parametrize(("order", "power"), [(2, 1), (1, 1), (3, 2)])
def test_the_norm_of_embeddings_is_theirs(order, power):
    regularizers = pytest.importorskip("pytorch_metric_learning.regularizers")
    x = torch.randn(12, 5, generator=torch.Generator().manual_seed(7), dtype=torch.float64).requires_grad_()
    ours, wanted = EmbeddingNorm(order=order, power=power)(x), regularizers.LpRegularizer(p=order, power=power)(x)
    torch.testing.assert_close(ours, wanted)
    torch.testing.assert_close(slope(ours, x), slope(wanted, x))


def test_equal_squared_norms_are_their_center_invariance():
    regularizers = pytest.importorskip("pytorch_metric_learning.regularizers")
    x = torch.randn(12, 5, generator=torch.Generator().manual_seed(7), dtype=torch.float64).requires_grad_()
    ours, wanted = EqualNorms(squared=True)(x), regularizers.CenterInvariantRegularizer()(x)
    torch.testing.assert_close(ours, wanted)
    torch.testing.assert_close(slope(ours, x), slope(wanted, x))


def test_a_memory_gives_the_value_of_their_cross_batch_memory():
    """Theirs compares with detached copies of the batch too, so that only the value is the same."""
    ours = MemoryBank(Contrastive(2.0, form="linear", positive_margin=0.2), size=20)
    inner = losses.ContrastiveLoss(pos_margin=0.2, neg_margin=2.0, distance=EUCLIDEAN)
    memory = losses.CrossBatchMemory(inner, embedding_size=5, memory_size=32)  # the batch is in the memory there
    for step in range(5):
        x = torch.randn(12, 5, generator=torch.Generator().manual_seed(step), dtype=torch.float64)
        torch.testing.assert_close(ours(x, LOPSIDED), memory.double()(x, LOPSIDED), msg=f"step {step}")


def slope(value: Tensor, x: Tensor) -> Tensor:
    return torch.autograd.grad(value, x, retain_graph=True)[0]


@pytest.mark.parametrize("block_size", [None, 5])
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_equal_those_of_pytorch_metric_learning(name, block_size):
    ours, their_loss, miner = CASES[name]
    labels = {"NP-1": ONE_PAIR_A_CLASS, "LFT-2": EVERYBODY_KIN, "NCA-1": EVERYBODY_KIN, "NTX-1 two views": TWO_VIEWS}
    y = labels.get(name, LOPSIDED)
    x = torch.randn(12, 5, generator=torch.Generator().manual_seed(7), dtype=torch.float64).requires_grad_()
    rows = torch.nn.functional.normalize(x) if name == "ANG-1" else x  # theirs takes negatives as they are
    close = {"RLL-1": 7e-5, "CIR-1": 1e-9}.get(name, 0)  # adds 1e-5 to its divisors; a softplus linear above 20
    before, ours.block_size = ours.block_size, block_size
    value = ours(rows, y)
    ours.block_size = before
    wanted = their_loss(rows, y) if miner is None else their_loss(rows, y, miner(rows, y))
    torch.testing.assert_close(value, wanted, rtol=1e-12 + close, atol=1e-13)
    torch.testing.assert_close(slope(value, x), slope(wanted, x), rtol=1e-10 + 3 * close, atol=1e-12 + close)
