"""Each loss of the library's table beside its counterpart of pytorch-metric-learning, at equal definitions.

What is said by name here is looked up when the benchmark runs; a loss that the table does not have is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import exact
import exact_dense as dense
import torch
from batches import Batch
from contenders import Call, mined
from harness import Answer

Theirs = Callable[[Any, Any, int], Call]
"""(pytorch_metric_learning, our loss, number of classes) -> their loss."""

Truth = Callable[[Batch], Answer]

DIMENSIONS = 128


@dataclass(frozen=True)
class Counterpart:
    """options: of our constructor, given the number of classes. truth: value and gradient in float64. differs: why the
    peer's answer is another one, where it is: then only its time is compared. check: who says in float64 what is right where there is no truth, "peer" or "itself".
    remembers: it compares with past batches."""

    options: Callable[[int], Mapping[str, Any]] = field(default=lambda classes: {})
    theirs: Theirs | None = None
    truth: Truth | None = None
    differs: str = ""
    check: str = "peer"
    per_class: int = 4
    remembers: bool = False


def _euclidean(library: Any, **more: Any) -> Any:
    return library.distances.LpDistance(normalize_embeddings=False, **more)


def _mean(library: Any) -> Any:
    return library.reducers.MeanReducer()


def _nonzero(library: Any) -> Any:
    return library.reducers.AvgNonZeroReducer()


def _given(**options: Any) -> Callable[[int], Mapping[str, Any]]:
    return lambda classes: options


def _made(loss: dense.Dense) -> Truth:
    return partial(exact.whole, loss=loss)


def _normalized(loss: Call) -> Call:
    """Their angular loss leaves the negatives as they are."""
    return lambda rows, labels: loss(torch.nn.functional.normalize(rows), labels)


def _with_proxies(name: str, **options: Any) -> Theirs:
    """A loss of theirs with learned proxies, set to ours; its gradient to the proxies is computed too."""

    def make(library: Any, ours: Any, classes: int) -> Call:
        settings = {key: value(library) if callable(value) else value for key, value in options.items()}
        proxies = ours.proxies.detach()
        theirs = getattr(library.losses, name)(num_classes=classes, embedding_size=DIMENSIONS, **settings).to(proxies)
        (weight,) = theirs.parameters()
        weight.detach().copy_(proxies if weight.shape == proxies.shape else proxies.T)
        return theirs  # type: ignore[no-any-return]

    return make


def _sized(**options: Any) -> Callable[[int], Mapping[str, Any]]:
    return lambda classes: {"classes": classes, "dimensions": DIMENSIONS, **options}


def _triplets(library: Any, reducer: Callable[[Any], Any], margin: float = 0.2) -> Any:
    return library.losses.TripletMarginLoss(margin, distance=_euclidean(library), reducer=reducer(library))


def _batch_hard(library: Any, ours: Any, classes: int) -> Call:
    return mined(_triplets(library, _mean), library.miners.BatchHardMiner(distance=_euclidean(library)))


def _product(library: Any) -> Any:
    return library.distances.DotProductSimilarity(normalize_embeddings=False)


def _fast_ap(library: Any, ours: Any, classes: int) -> Call:
    return library.losses.FastAPLoss(10, reducer=_mean(library))  # type: ignore[no-any-return]


CONTRASTIVE = {"margin": 1.2, "form": "linear"}

BATCH_HARD = Counterpart(
    _given(mining="batch-hard"), _batch_hard, partial(exact.by_anchors, loss=exact.batch_hard(0.2))
)

COUNTERPARTS: Mapping[str, Counterpart] = {
    "angular": Counterpart(
        theirs=lambda library, *_: _normalized(library.losses.AngularLoss(alpha=45, reducer=_mean(library))),
        truth=_made(dense.angular(45)),
    ),
    "arcface": Counterpart(_sized(), _with_proxies("ArcFaceLoss", margin=28.64788975654116, scale=64, reducer=_mean)),
    "center": Counterpart(_sized()),
    "circle": Counterpart(
        theirs=lambda library, *_: library.losses.CircleLoss(m=0.4, gamma=80, reducer=_nonzero(library)),
        truth=_made(dense.circle(0.4, 80)),
    ),
    "contrastive": Counterpart(
        _given(**CONTRASTIVE),
        lambda library, *_: library.losses.ContrastiveLoss(0, 1.2, distance=_euclidean(library)),
        _made(dense.contrastive(0, 1.2)),
    ),
    "contrastive-center": Counterpart(_sized()),
    "cosface": Counterpart(_sized(), _with_proxies("CosFaceLoss", margin=0.35, scale=64, reducer=_mean)),
    "fast-ap": Counterpart(theirs=_fast_ap),
    "generalized-lifted": Counterpart(
        theirs=lambda library, *_: library.losses.GeneralizedLiftedStructureLoss(
            neg_margin=1, distance=_euclidean(library), reducer=_mean(library)
        ),
        truth=_made(dense.generalized_lifted(1)),
    ),
    "joint": Counterpart(_sized()),
    "lifted": Counterpart(
        theirs=lambda library, *_: library.losses.LiftedStructureLoss(
            neg_margin=1, pos_margin=0, distance=_euclidean(library), reducer=_mean(library)
        ),
        truth=_made(dense.lifted(1)),
    ),
    "margin": Counterpart(
        theirs=lambda library, *_: library.losses.MarginLoss(0.2, 0, 1.2),
        differs="it lists all triplets and weighs pairs by them",
    ),
    "memory-bank": Counterpart(
        lambda classes: {"loss": _ours("contrastive", **CONTRASTIVE), "size": 192},
        lambda library, *_: library.losses.CrossBatchMemory(
            library.losses.ContrastiveLoss(0, 1.2, distance=_euclidean(library)), DIMENSIONS, memory_size=256
        ),
        differs="the batch's own columns, which are part of its memory, carry no gradient",
        remembers=True,
    ),
    "multi-similarity": Counterpart(
        theirs=lambda library, *_: library.losses.MultiSimilarityLoss(2, 50, 0.5, reducer=_mean(library)),
        truth=_made(dense.multi_similarity(2, 50, 0.5)),
    ),
    "n-pair": Counterpart(
        theirs=lambda library, *_: library.losses.NPairsLoss(distance=_product(library), reducer=_mean(library)),
        per_class=2,
    ),
    "nca": Counterpart(
        theirs=lambda library, *_: library.losses.NCALoss(
            1, distance=_euclidean(library, p=2, power=2), reducer=_mean(library)
        )
    ),
    "normalized-softmax": Counterpart(
        _sized(), _with_proxies("NormalizedSoftmaxLoss", temperature=0.05, reducer=_mean)
    ),
    "nt-xent": Counterpart(
        theirs=lambda library, *_: library.losses.NTXentLoss(0.07, reducer=_mean(library)),
        truth=_made(dense.nt_xent(0.07)),
    ),
    "proxies": Counterpart(lambda classes: {"loss": _ours("contrastive"), **_sized()(classes)}),
    "proxy-anchor": Counterpart(_sized(), _with_proxies("ProxyAnchorLoss", margin=0.1, alpha=32)),
    "proxy-nca": Counterpart(_sized()),
    "proxy-nca++": Counterpart(
        _sized(),
        _with_proxies(
            "ProxyNCALoss",
            softmax_scale=9,
            distance=lambda library: library.distances.LpDistance(power=2),
            reducer=_mean,
        ),
    ),
    "ranked-list": Counterpart(
        _given(detach=False),
        lambda library, *_: library.losses.RankedListLoss(
            margin=0.4, Tn=10, imbalance=0.5, alpha=1.2, reducer=_mean(library)
        ),
        check="itself",  # theirs adds 1e-5 to its divisors
    ),
    "smooth-ap": Counterpart(
        theirs=lambda library, *_: library.losses.SmoothAPLoss(0.01),
        differs="it counts the anchor itself, and takes classes to lie one after the other",
    ),
    "soft-triple": Counterpart(
        _sized(regularizer=0.0),
        _with_proxies("SoftTripleLoss", centers_per_class=10, la=20, gamma=0.1, margin=0.01, reducer=_mean),
    ),
    "sub-center-arcface": Counterpart(
        _sized(),
        _with_proxies("SubCenterArcFaceLoss", margin=28.64788975654116, scale=64, sub_centers=3, reducer=_mean),
    ),
    "sum": Counterpart(lambda classes: {"losses": [_ours("triplet"), (_ours("zero-mean"), 0.005)]}),
    "supcon": Counterpart(
        theirs=lambda library, *_: library.losses.SupConLoss(0.1, reducer=_nonzero(library)),
        truth=_made(dense.sup_con(0.1)),
    ),
    "triplet": Counterpart(
        theirs=lambda library, *_: _triplets(library, _mean),
        truth=partial(exact.by_anchors, loss=exact.all_triplets(0.2)),
    ),
    "tuplet-margin": Counterpart(
        theirs=lambda library, *_: library.losses.TupletMarginLoss(5.73, 64, reducer=_mean(library)),
        truth=_made(dense.tuplet_margin(5.73, 64)),
    ),
    "zero-mean": Counterpart(
        theirs=lambda library, *_: lambda rows, labels: library.regularizers.ZeroMeanRegularizer()(rows)
    ),
}


def _ours(name: str, **options: Any) -> Any:
    from nearkin.losses import make_loss

    return make_loss(name, **options)
