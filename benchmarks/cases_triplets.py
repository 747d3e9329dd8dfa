"""All triplets, FaceNet's rule and the semi-hard band."""

from __future__ import annotations

from functools import partial
from typing import Any

import exact
from batches import TINY, Batch, unit_rows
from contenders import distance_floors, mined, oml, our_loss, ours, pml
from harness import OML, PML, Case, Contender, Setup, Target

MARGIN = 0.2
FLOOR = "distance matrix"
PROMISED = Target("error", 1e-6)


def _ours(batch: Batch, **options: Any) -> Contender:
    return ours(our_loss("triplet", **options), batch)


def _pml_loss(library: Any, reducer: str) -> Any:
    distance = library.distances.LpDistance(normalize_embeddings=False)
    return library.losses.TripletMarginLoss(MARGIN, distance=distance, reducer=getattr(library.reducers, reducer)())


def _oml_loss() -> Any:
    from oml.losses import TripletLossWithMiner
    from oml.miners.inbatch_all_tri import AllTripletsMiner

    return TripletLossWithMiner(MARGIN, AllTripletsMiner(), reduction="mean")


def _all(small: bool, *, count: int, per_class: int, peers: tuple[str, ...], oracle: bool = True) -> Setup:
    batch = unit_rows(TINY if small else count, per_class)
    contenders = [_ours(batch, margin=MARGIN)]
    if PML in peers:
        contenders += pml(batch, lambda library: _pml_loss(library, "MeanReducer"), peak=True)
    if OML in peers:
        contenders += oml(batch, _oml_loss, peak=True)
    if count <= 4096:
        contenders += distance_floors(batch)
    notes = []
    if not peers:
        gigabytes = 3 * 8 * count * (per_class - 1) * (count - per_class) / 2**30
        notes.append(f"no peer: its index triples alone are {gigabytes:.1f} GB")
    right = partial(exact.by_anchors, batch, exact.all_triplets(MARGIN)) if oracle else None
    return Setup(contenders, right, notes)


def _band(small: bool, *, count: int, per_class: int) -> Setup:
    batch = unit_rows(TINY if small else count, per_class)

    def theirs(library: Any) -> Any:
        distance = library.distances.LpDistance(normalize_embeddings=False)
        miner = library.miners.TripletMarginMiner(MARGIN, type_of_triplets="semihard", distance=distance)
        return mined(_pml_loss(library, "AvgNonZeroReducer"), miner)

    contenders = [
        _ours(batch, margin=MARGIN, mining="semi-hard-set", reduction="mean_nonzero"),
        *pml(batch, theirs, peak=True),
        *distance_floors(batch),
    ]
    return Setup(contenders, partial(exact.by_anchors, batch, exact.band(MARGIN)))


def _facenet(small: bool, *, count: int, per_class: int) -> Setup:
    batch = unit_rows(TINY if small else count, per_class)
    contenders = [_ours(batch, margin=MARGIN, mining="semi-hard"), *distance_floors(batch)]
    return Setup(contenders, partial(exact.by_anchors, batch, exact.semi_hard(MARGIN)))


CASES = [
    Case(
        "triplets/all B=512, 4 a class",
        partial(_all, count=512, per_class=4, peers=(PML, OML)),
        [Target("faster", 40, PML), PROMISED],
    ),
    Case(
        "triplets/all B=1024, 32 a class",
        partial(_all, count=1024, per_class=32, peers=(PML,)),
        [Target("faster", 120, PML), Target("leaner", 200, PML), PROMISED],
    ),
    Case(
        "triplets/all B=4096, 32 a class",
        partial(_all, count=4096, per_class=32, peers=()),
        [Target("cost", 1.5, FLOOR), Target("memory", 150), PROMISED],
    ),
    Case(
        "triplets/all B=32768, 4 a class",
        partial(_all, count=32768, per_class=4, peers=(), oracle=False),
        [Target("memory", 100)],
        timed=False,
    ),
    Case(
        "triplets/semi-hard band B=512, 4 a class",
        partial(_band, count=512, per_class=4),
        [Target("faster", 35, PML), PROMISED],
    ),
    Case(
        "triplets/FaceNet rule B=1024, 8 a class",
        partial(_facenet, count=1024, per_class=8),
        [Target("cost", 2.2, FLOOR), PROMISED],
    ),
]
