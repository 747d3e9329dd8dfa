"""Published check values: the oracles and the library reproduce every entry in value and gradient.

NEARKIN_VECTORS names `vectors.json` or a folder with it. Entries of a formula printed wrongly in its document must
*not* be matched by the library's default; the oracle of the printed form must.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from nearkin.core.tensors import Block, Own, Terms, added
from nearkin.distances import SNR, Distance, Mahalanobis, RelativeMahalanobis, make_distance
from nearkin.estimators import lmnn_objective, target_neighbours
from nearkin.losses import (
    DDML,
    LOSSES,
    NCA,
    Angular,
    ArcFace,
    Center,
    Circle,
    CombinedNegatives,
    Contrastive,
    ContrastiveCenter,
    CosFace,
    EnergyConfusion,
    FastAP,
    GeneralizedLifted,
    Joint,
    Lifted,
    Margin,
    MultiSimilarity,
    NormalizedSoftmax,
    NPair,
    NTXent,
    Proxies,
    ProxyAnchor,
    ProxyNCA,
    ProxyNCAPlusPlus,
    RankedList,
    RecallAtK,
    RowLoss,
    SmoothAP,
    SoftTriple,
    SubCenterArcFace,
    Sum,
    SupCon,
    Triplet,
    TripletNetwork,
    TupletMargin,
    TupleTriplet,
    ZeroMean,
)
from nearkin.mining import DistanceWeighted, Miner, count_triplets, make_miner, positive_table, surviving_pairs
from nearkin.pairs import Matrix
from oracles import (
    angular,
    centers,
    contrastive,
    ddml,
    distances,
    lifted,
    lmnn,
    margin,
    mining,
    n_pair,
    ranked_list,
    ranking,
    regularisers,
    softmaxes,
    triplet,
    tuples,
)
from oracles import proxies as slow_proxies
from oracles.arithmetic import root
from oracles.gradient import value_and_gradient
from oracles.kin import Kin, by_position, kin, same_label

FORMULAS = {
    *("EUC-1", "EUC-2", "COS-1", "DOT-1", "SNR-1", "SNR-2", "SNR-4", "SNR-5", "MAH-1", "MAH-2", "MAH-3"),
    *("LMN-1", "LMN-2"),
    *("CON-1", "CON-2", "CON-3", "CON-4"),
    *("TRI-1", "TRI-2", "TRI-3", "TRI-4", "TRI-5", "TRI-6", "TRI-COUNT", "SBH-1"),
    *("HOF-1", "HOF-2", "NP-1", "NP-2", "NP-3", "TUP-1", "CMB-1", "CMB-2"),
    *("LFT-1", "LFT-2", "DDM-1", "RLL-1", "ANG-1", "ANG-2"),
    *("CTC-1", "CTC-2", "JNT-1", "ECA-1", "SNR-3"),
    *("PNC-1", "PNC-2", "PAN-1", "NSM-1", "ARC-1", "CSF-1", "SUB-1", "STP-1"),
    *("FAP-1", "SAP-1", "RKS-1"),
    *("MIN-DW", "MIN-EP", "MIN-AN", "MIN-MS"),
    *("MRG-1", "MSL-1", "CIR-1", "SUP-1", "NTX-1", "TPM-1", "NCA-1"),
}
"""Formulas that the library has."""

BLOCKS = (None, 3, 1)
RELATIVE, ABSOLUTE = 1e-9, 1e-12


def entries() -> list[dict[str, Any]]:
    place = os.environ.get("NEARKIN_VECTORS")
    if not place:
        return []
    path = Path(place)
    return json.loads((path / "vectors.json" if path.is_dir() else path).read_text())["entries"]


VECTORS = [entry for entry in entries() if entry["id"] in FORMULAS]
RIGHT = [entry for entry in VECTORS if not entry.get("wrong_as_printed")]
WRONG = [entry for entry in VECTORS if entry.get("wrong_as_printed")]

pytestmark = pytest.mark.skipif(not VECTORS, reason="needs check values: set NEARKIN_VECTORS to vectors.json")

NAMES = {
    "euclidean": "euclidean",
    "squared": "squared-euclidean",
    "cosine": "cosine",
    "dot": "inner-product",
    "snr": "snr",
}


class Vectors(NamedTuple):
    """One entry: its oracle over lists, and the library's answer over tensors (and a block size)."""

    oracle: Callable[..., Any]
    library: Callable[..., Tensor] | None


def arrays(entry: dict[str, Any]) -> dict[str, np.ndarray]:
    names = entry["gradient"] or {
        name: 0 for name in entry["inputs"] if name not in {"labels", "different", "triplet_list"}
    }
    return {name: np.array(entry["inputs"][name], dtype=float) for name in names}


def labelled(entry: dict[str, Any]) -> Kin:
    labels = entry["inputs"]["labels"]
    return kin(same_label(labels), by_position, len(labels), len(labels))


def labels_of(entry: dict[str, Any]) -> Tensor:
    return torch.tensor(entry["inputs"]["labels"])


# Distances: the matrix, and a weighted sum of its entries as a loss of somebody's own, so that it can be blocked.


class WeightedSum(RowLoss):
    """The sum of weights times distances over positive pairs."""

    def rows(self, block: Block) -> Terms:
        return Terms(added(torch.where(block.positives, block.distances * block.weights, 0)), added(block.positives))


def pair_distance(entry: dict[str, Any]) -> Callable[..., Any]:
    p = entry["params"]
    if entry["id"] == "SNR-5":
        return lambda x, z: distances.symmetric_snr(x, z, p["mode"])
    if entry["id"] == "MAH-2" and "L" not in entry["inputs"]:
        return lambda x, z: distances.relative_mahalanobis(x, z, center=True)
    if "eps" in p:
        return lambda x, z: distances.snr(x, z, p["eps"])
    return distances.PAIR[distance_name(entry)]


def distance_name(entry: dict[str, Any]) -> str:
    by_id = {
        "EUC-1": "euclidean",
        "SNR-1": "snr",
        "SNR-2": "snr",
        "MAH-1": "mahalanobis",
        "MAH-2": "relative-mahalanobis",
    }
    return NAMES[entry["params"].get("d")] if "d" in entry["params"] else by_id[entry["id"]]


def library_distance(entry: dict[str, Any]) -> Distance:
    p, inputs = entry["params"], entry["inputs"]
    if entry["id"] == "MAH-3":
        x = np.array(inputs["embeddings"])
        return Mahalanobis.from_covariance(x, inputs["labels"], kind=p["kind"], shrinkage=p["shrinkage"], squared=True)
    if entry["id"] == "SNR-5":
        return make_distance("snr-symmetric", form=p["mode"])
    if entry["id"] == "MAH-2" and "L" not in inputs:
        return RelativeMahalanobis(center=True)
    if "L" in inputs:
        return learned_distance(distance_name(entry), torch.tensor(inputs["L"], dtype=torch.float64))
    return SNR(p["eps"]) if "eps" in p else make_distance(distance_name(entry))


def learned_distance(name: str, L: Tensor) -> Distance:
    distance = make_distance(name).double()
    distance.load_state_dict({"weight": L})
    return distance


def handed_on(value: Tensor, parameter: Tensor, given: Tensor) -> Tensor:
    """The value, with the gradient of a parameter that was made from `given` handed on to it."""
    (slope,) = torch.autograd.grad(value, parameter, retain_graph=True)
    return value + (slope * (given - given.detach())).sum()


def of_a_matrix(entry: dict[str, Any]) -> Vectors:
    pair, weights = pair_distance(entry), entry.get("weights")

    def oracle(embeddings: Any, **learned: Any) -> Any:
        count = range(len(embeddings))
        return sum(
            weights[i][j] * pair(embeddings[i], embeddings[j], **learned) for i in count for j in count if i != j
        )

    def library(embeddings: Tensor, block_size: int | None, L: Tensor | None = None) -> Tensor:
        distance = library_distance(entry)
        loss = WeightedSum(distance, reduction="sum", block_size=block_size)
        wanted = torch.tensor(weights, dtype=embeddings.dtype)
        plus, minus = wanted.clamp(min=0), (-wanted).clamp(min=0)
        value = loss(embeddings, Matrix(plus)) - loss(embeddings, Matrix(minus))
        return value if L is None else handed_on(value, distance.weight, L)

    return Vectors(oracle, library)


def of_a_correlation(entry: dict[str, Any]) -> Vectors:
    """Correlations (1 + rho^2 - d) / (2 rho) out of the SNR distance and rho, the ratio of standard deviations."""
    weights = entry.get("weights")

    def correlation(x: Any, z: Any) -> Any:
        if entry.get("wrong_as_printed"):
            return 1 / root(1 + distances.snr(x, z))
        rho = root(distances.variance(z) / distances.variance(x))
        return (1 + rho * rho - distances.snr(x, z)) / (2 * rho)

    def oracle(embeddings: Any) -> Any:
        count = range(len(embeddings))
        return sum(weights[i][j] * correlation(embeddings[i], embeddings[j]) for i in count for j in count if i != j)

    def library(embeddings: Tensor, block_size: int | None) -> Tensor:
        return (correlations(embeddings) * torch.tensor(weights, dtype=embeddings.dtype)).sum()

    return Vectors(oracle, library)


def correlations(embeddings: Tensor) -> Tensor:
    spread = embeddings.std(1, unbiased=False)
    rho = spread[None] / spread[:, None]
    return (1 + rho.square() - SNR()(embeddings)) / (2 * rho)


# Contrastive


def of_contrastive(entry: dict[str, Any]) -> Vectors:
    p, relation = entry["params"], labelled(entry)
    name = NAMES[p["distance"]]
    printed = {"004-eq1-printed": contrastive.printed_004_eq_1, "001-eq1-inverted": contrastive.inverted_001_eq_1}

    def oracle(embeddings: Any) -> Any:
        d = distances.self_matrix(name, embeddings)
        if p["kind"] in printed:
            return printed[p["kind"]](d, relation, p["margin"])
        return contrastive.contrastive(d, relation, p["kind"], p["margin"], p["pos_margin"], p["reduction"])

    options = {
        "CON-3": {"form": "linear", "average": "pairs", "reduction": "mean"},
        "CON-4": {"form": "linear", "positive_margin": p["pos_margin"]},
    }.get(p["kind"], {"reduction": p["reduction"]})
    return Vectors(oracle, on_labels(entry, lambda **more: Contrastive(p["margin"], distance=name, **options, **more)))


def of_ready_pairs(entry: dict[str, Any]) -> Vectors:
    different, margin = entry["inputs"]["different"], entry["params"]["margin"]

    def library(first: Tensor, second: Tensor, block_size: int | None) -> Tensor:
        loss = Contrastive(margin, block_size=block_size)
        return loss.pairs(first, second, different=torch.tensor(different))

    return Vectors(lambda first, second: contrastive.ready_pairs(first, second, different, margin), library)


# Triplets


def of_triplets(entry: dict[str, Any]) -> Vectors:
    if "L" in entry["inputs"]:
        return of_mahalanobis(entry)
    p, relation = entry["params"], labelled(entry)
    name, margin = NAMES[p["distance"]], p["sign"] * p["margin"]
    cost = triplet.squared_hinge(margin) if p["hinge"] == "squared" else triplet.linear_hinge(margin)

    def oracle(embeddings: Any) -> Any:
        d = distances.self_matrix(name, embeddings)
        return triplet.over_triplets(d, mining.all_valid(relation), cost, p["reduction"])

    options = {"hinge": p["hinge"], "reduction": p["reduction"], "distance": name}
    return Vectors(oracle, on_labels(entry, lambda **more: Triplet(p["margin"], **options, **more)))


def of_mahalanobis(entry: dict[str, Any]) -> Vectors:
    p, relation = entry["params"], labelled(entry)

    def oracle(embeddings: Any, L: Any) -> Any:
        rows = [[sum(a * b for a, b in zip(weights, row, strict=True)) for weights in L] for row in embeddings]
        d = distances.self_matrix("squared-euclidean" if p["relative"] else "euclidean", rows)
        if p["relative"]:
            lengths = [distances.squared_euclidean(row, [0.0] * len(row)) for row in rows]
            d = [[entry / length for entry in row] for row, length in zip(d, lengths, strict=True)]
        return triplet.over_triplets(d, mining.all_valid(relation), triplet.linear_hinge(p["margin"]))

    def library(embeddings: Tensor, L: Tensor, block_size: int | None) -> Tensor:
        distance = learned_distance("relative-mahalanobis" if p["relative"] else "mahalanobis", L.detach())
        loss = Triplet(p["margin"], distance=distance, block_size=block_size)
        return handed_on(loss(embeddings, labels_of(entry)), distance.weight, L)

    return Vectors(oracle, library)


def of_semi_hard(entry: dict[str, Any]) -> Vectors:
    p, relation = entry["params"], labelled(entry)
    name, fallback = NAMES[p["distance"]], p.get("fallback")

    def choose(d: Any) -> Any:
        return mining.semi_hard(d, relation, fallback) if fallback else mining.semi_hard_set(d, relation, p["margin"])

    def make(**more: Any) -> RowLoss:
        miner = make_miner("semi-hard", fallback=fallback) if fallback else "semi-hard-set"
        return Triplet(p["margin"], mining=miner, distance=name, **more)

    return Vectors(over_choice(entry, name, choose, triplet.linear_hinge(p["margin"])), on_labels(entry, make))


def of_batch_hard(entry: dict[str, Any]) -> Vectors:
    p, relation = entry["params"], labelled(entry)
    name = NAMES[p["distance"]]
    rule = {False: mining.batch_hard, True: mining.easiest_triplet, "easy_positive": mining.easy_positive}[p["flip"]]
    cost = triplet.soft_margin if p["soft"] else triplet.linear_hinge(p["margin"])

    def make(**more: Any) -> RowLoss:
        hinge = {"hinge": "soft"} if p["soft"] else {"margin": p["margin"]}
        return Triplet(mining="batch-hard", distance=name, **hinge, **more)

    return Vectors(over_choice(entry, name, lambda d: rule(d, relation), cost), on_labels(entry, make))


def over_choice(entry: dict[str, Any], name: str, choose: Callable[[Any], Any], cost: Any) -> Callable[..., Any]:
    def oracle(embeddings: Any) -> Any:
        d = distances.self_matrix(name, embeddings)
        return triplet.over_triplets(d, choose(d), cost)

    return oracle


def of_given_triplets(entry: dict[str, Any]) -> Vectors:
    margin, given = entry["params"]["margin"], entry["inputs"]["triplet_list"]

    def oracle(embeddings: Any) -> Any:
        d = distances.self_matrix("euclidean", embeddings)
        return triplet.over_triplets(d, [tuple(each) for each in given], triplet.linear_hinge(margin))

    def library(embeddings: Tensor, block_size: int | None) -> Tensor:
        return Triplet(margin, block_size=block_size)(embeddings, triplets=torch.tensor(given))

    return Vectors(oracle, library)


def of_ratios(entry: dict[str, Any]) -> Vectors:
    form = entry["params"]["form"]
    scale = 1.0 if form == "HOF-1-mse" else entry["params"]["const"]
    cost = triplet.ratio(scale) if form == "HOF-2" else triplet.ratio_as_defined(form == "HOF-1-mse")

    def library(anchor: Tensor, positive: Tensor, negative: Tensor, block_size: int | None) -> Tensor:
        return TripletNetwork(scale, block_size=block_size)(anchor, own=Own.triplets(positive, negative))

    return Vectors(lambda anchor, positive, negative: triplet.row_by_row(anchor, positive, negative, cost), library)


# Pairs of N classes


def on_pairs(make: Callable[..., RowLoss]) -> Callable[..., Tensor]:
    def library(anchors: Tensor, positives: Tensor, block_size: int | None) -> Tensor:
        classes = torch.arange(len(anchors))
        return make(block_size=block_size)(anchors, classes, positives, classes)

    return library


def of_n_pair(entry: dict[str, Any]) -> Vectors:
    p = entry["params"]
    name = NAMES[p.get("distance", "dot")]

    def oracle(anchors: Any, positives: Any) -> Any:
        if "parse" in p:
            return n_pair.printed_001_eq_7(anchors, positives, p["parse"], p["l2"])
        return n_pair.n_pair(anchors, positives, name) + n_pair.l2(anchors, positives, p["l2"])

    return Vectors(oracle, on_pairs(lambda **more: NPair(p["l2"], distance=name, **more)))


def of_all_positives(entry: dict[str, Any]) -> Vectors:
    name, relation = NAMES[entry["params"]["distance"]], labelled(entry)

    def oracle(embeddings: Any) -> Any:
        return n_pair.over_positive_pairs(distances.self_matrix(name, embeddings), relation)

    return Vectors(oracle, on_labels(entry, lambda **more: NPair(pairs="all", distance=name, **more)))


def of_tuples(entry: dict[str, Any]) -> Vectors:
    hof = entry["params"]["inner"] == "hof"
    cost = triplet.ratio() if hof else triplet.linear_hinge(1.0)
    make = on_pairs(lambda **more: TupleTriplet("triplet-network" if hof else "triplet", **more))
    return Vectors(lambda anchors, positives: tuples.tuple_triplet(anchors, positives, cost), make)


def of_combined(entry: dict[str, Any]) -> Vectors:
    form, log = entry["params"]["form"], entry["params"]["log"]
    make = on_pairs(lambda **more: CombinedNegatives(printed=form == "CMB-1", log=log, **more))
    return Vectors(lambda anchors, positives: tuples.combined_negatives(anchors, positives, form, log), make)


def of_lifted(entry: dict[str, Any]) -> Vectors:
    name, relation = NAMES[entry["params"]["distance"]], labelled(entry)

    form, make = (lifted.lifted, Lifted) if entry["id"] == "LFT-1" else (lifted.generalized, GeneralizedLifted)

    def oracle(embeddings: Any) -> Any:
        return form(distances.self_matrix(name, embeddings), relation, entry["params"]["margin"])

    return Vectors(oracle, on_labels(entry, lambda **more: make(entry["params"]["margin"], distance=name, **more)))


def of_ddml(entry: dict[str, Any]) -> Vectors:
    tau, beta, relation = entry["params"]["tau"], entry["params"]["beta"], labelled(entry)

    def oracle(embeddings: Any) -> Any:
        return ddml.ddml(distances.self_matrix("squared-euclidean", embeddings), relation, tau, beta)

    return Vectors(oracle, on_labels(entry, lambda **more: DDML(tau, sharpness=beta, **more)))


def of_ranked_lists(entry: dict[str, Any]) -> Vectors:
    p, relation = entry["params"], labelled(entry)
    temperatures = {"negative_temperature": p["Tn"], "positive_temperature": p["Tp"]}

    def oracle(embeddings: Any) -> Any:
        settings = (p["alpha"], p["margin"], p["Tn"], p["Tp"], p["lam"], p["detach"])
        return ranked_list.ranked_list(distances.self_matrix("cosine", embeddings), relation, *settings)

    def make(**more: Any) -> RowLoss:
        return RankedList(p["alpha"], p["margin"], balance=p["lam"], detach=p["detach"], **temperatures, **more)

    return Vectors(oracle, on_labels(entry, make))


def of_angles(entry: dict[str, Any]) -> Vectors:
    alpha = entry["params"]["alpha_deg"]
    if "labels" in entry["inputs"]:
        relation = labelled(entry)

        def oracle(embeddings: Any) -> Any:
            return angular.over_positive_pairs(embeddings, [embeddings] * len(embeddings), relation, alpha)

        return Vectors(oracle, on_labels(entry, lambda **more: Angular(alpha, **more)))
    if "negative" in entry["inputs"]:

        def single(anchor: Any, positive: Any, negative: Any) -> Any:
            rows = list(zip(anchor, positive, negative, strict=True))
            return sum(angular.single(a, p, n, alpha) for a, p, n in rows) / len(rows)

        def library(anchor: Tensor, positive: Tensor, negative: Tensor, block_size: int | None) -> Tensor:
            own = Own.triplets(positive, negative)
            return Angular(alpha, form="triplet", block_size=block_size)(anchor, own=own)

        return Vectors(single, library)
    if entry["id"] == "ANG-2":
        weight = entry["params"]["lam"]

        def joint(anchors: Any, positives: Any) -> Any:
            return n_pair.n_pair(anchors, positives) + weight * angular.paired(anchors, positives, alpha)

        return Vectors(
            joint, on_pairs(lambda **more: Sum([NPair(**more), (Angular(alpha, form="tuples", **more), weight)]))
        )
    make = on_pairs(lambda **more: Angular(alpha, form="tuples", **more))
    return Vectors(lambda anchors, positives: angular.paired(anchors, positives, alpha), make)


# Sums of exponentials, and a learned border


def of_similarities(entry: dict[str, Any]) -> Vectors:
    if "first" in entry["inputs"]:
        return of_two_views(entry)
    p, relation = entry["params"], labelled(entry)
    name = "squared-euclidean" if entry["id"] == "NCA-1" else "cosine"
    form, settings, make = {
        "MSL-1": (
            softmaxes.multi_similarity,
            (p.get("alpha"), p.get("beta"), p.get("base"), p.get("mining"), p.get("eps")),
            lambda a, c, base, mined, eps, **more: MultiSimilarity(
                a, c, base, mining="multi-similarity" if mined else None, eps=eps, **more
            ),
        ),
        "CIR-1": (softmaxes.circle, (p.get("m"), p.get("gamma")), Circle),
        "SUP-1": (softmaxes.sup_con, (p.get("temperature"),), SupCon),
        "NTX-1": (softmaxes.nt_xent, (p.get("temperature"),), NTXent),
        "TPM-1": (softmaxes.tuplet_margin, (p.get("beta_deg"), p.get("scale")), TupletMargin),
        "NCA-1": (softmaxes.nca, (p.get("scale"),), NCA),
    }[entry["id"]]

    def oracle(embeddings: Any) -> Any:
        return form(distances.self_matrix(name, embeddings), relation, *settings)

    return Vectors(oracle, on_labels(entry, lambda **more: make(*settings, **more)))


def of_two_views(entry: dict[str, Any]) -> Vectors:
    temperature, views = entry["params"]["temperature"], torch.arange(len(entry["inputs"]["first"])).repeat(2)

    def oracle(first: Any, second: Any) -> Any:
        pairs = [(first, first), (second, second), (first, second), (second, first)]
        return softmaxes.two_views(*(distances.matrix("cosine", *pair) for pair in pairs), temperature)

    def library(first: Tensor, second: Tensor, block_size: int | None) -> Tensor:
        return NTXent(temperature, block_size=block_size)(torch.cat([first, second]), views)

    return Vectors(oracle, library)


def of_borders(entry: dict[str, Any]) -> Vectors:
    m, labels, relation = entry["params"]["margin"], entry["inputs"]["labels"], labelled(entry)

    def oracle(embeddings: Any, beta: Any) -> Any:
        return margin.margin(distances.self_matrix("cosine", embeddings), relation, m, beta, labels)

    def library(embeddings: Tensor, beta: Tensor, block_size: int | None) -> Tensor:
        loss = Margin(m, per_class=True, classes=len(beta), block_size=block_size).double()
        loss.beta.data = beta.detach().clone()
        return handed(loss(embeddings, labels_of(entry)), (loss.beta, beta))

    return Vectors(oracle, library)


# Soft ranks


def of_rankings(entry: dict[str, Any]) -> Vectors:
    p, relation = entry["params"], labelled(entry)
    form, settings, make = {
        "FAP-1": (ranking.fast_ap, (p.get("bins"),), FastAP),
        "SAP-1": (ranking.smooth_ap, (p.get("temperature"),), SmoothAP),
        "RKS-1": (
            ranking.recall_at_k,
            (p.get("ks"), p.get("t1"), p.get("t2"), p.get("divisor")),
            lambda ks, t1, t2, divisor, **more: RecallAtK(
                ks, recall_temperature=t1, rank_temperature=t2, divisor=divisor, **more
            ),
        ),
    }[entry["id"]]

    def oracle(embeddings: Any) -> Any:
        return form(distances.self_matrix("cosine", embeddings), relation, *settings)

    return Vectors(oracle, on_labels(entry, lambda **more: make(*settings, **more)))


# Outside the engine: blocks mean nothing there


def handed(value: Tensor, *pairs: tuple[torch.nn.Parameter, Tensor]) -> Tensor:
    """The value, with each parameter's gradient handed to the tensor that it was made of."""
    slopes = torch.autograd.grad(value, [parameter for parameter, _ in pairs], retain_graph=True)
    for slope, (_, given) in zip(slopes, pairs, strict=True):
        value = value + (slope * (given - given.detach())).sum()
    return value


def of_centers(entry: dict[str, Any]) -> Vectors:
    p, labels = entry["params"], entry["inputs"]["labels"]
    options = {key: p[key] for key in ("delta", "reduction", "denominator") if key in p}

    def oracle(embeddings: Any, centers_: Any) -> Any:
        if entry["id"] == "CTC-2":
            return centers.center(embeddings, labels, centers_, p["reduction"])
        return centers.contrastive_center(embeddings, labels, centers_, p["delta"], p["reduction"], p["denominator"])

    def library(embeddings: Tensor, centers: Tensor, block_size: int | None) -> Tensor:
        make = Center if entry["id"] == "CTC-2" else ContrastiveCenter
        loss = make(*centers.shape, **options).double()
        loss.centers.data = centers.detach().clone()
        return handed(loss(embeddings, labels_of(entry)), (loss.centers, centers))

    return Vectors(lambda embeddings, centers: oracle(embeddings, centers), library)


def of_proxies(entry: dict[str, Any]) -> Vectors:
    """Losses whose columns are proxies: scale is 1/T, 1/tau or the scale, as the formula says."""
    p, labels, name = entry["params"], entry["inputs"]["labels"], entry["id"]
    per_class, margin = p.get("sub", 1), p.get("margin", 0.0)
    scale = {"PAN-1": "alpha", "STP-1": "la"}.get(name, "scale")
    options: dict[str, tuple[type[Proxies], dict[str, Any]]] = {
        "PNC-1": (ProxyNCA, {"temperature": 1 / p.get("scale", 1.0)}),
        "PNC-2": (ProxyNCAPlusPlus, {"temperature": 1 / p.get("scale", 1.0)}),
        "NSM-1": (NormalizedSoftmax, {"temperature": 1 / p.get("scale", 1.0)}),
        "PAN-1": (ProxyAnchor, {"margin": margin, "scale": p[scale]}),
        "CSF-1": (CosFace, {"margin": margin, "scale": p[scale]}),
        "ARC-1": (ArcFace, {"margin": margin, "scale": p[scale]}),
        "SUB-1": (SubCenterArcFace, {"margin": margin, "scale": p[scale], "per_class": per_class}),
        "STP-1": (
            SoftTriple,
            {"margin": margin, "scale": p[scale], "per_class": per_class, "temperature": p.get("gamma"), "regularizer": 0.0},
        ),
    }

    def oracle(embeddings: Any, proxies: Any) -> Any:
        if name.startswith("PNC"):
            return slow_proxies.proxy_nca(embeddings, labels, proxies, 1 / p["scale"], p["plus"])
        if name == "PAN-1":
            return slow_proxies.proxy_anchor(embeddings, labels, proxies, p["alpha"], margin)
        angle = name in ("ARC-1", "SUB-1")
        asked = slow_proxies.angle_margin(margin) if angle else slow_proxies.cosine_margin(margin)
        return slow_proxies.class_softmax(embeddings, labels, proxies, per_class, p[scale], asked, p.get("gamma"))

    def library(embeddings: Tensor, proxies: Tensor, block_size: int | None) -> Tensor:
        make, settings = options[name]
        loss = make(len(proxies) // per_class, proxies.shape[1], block_size=block_size, **settings).double()
        loss.proxies.data = proxies.detach().clone()
        return handed(loss(embeddings, labels_of(entry)), (loss.proxies, proxies))

    return Vectors(lambda embeddings, proxies: oracle(embeddings, proxies), library)


def of_joint(entry: dict[str, Any]) -> Vectors:
    p, labels, relation = entry["params"], entry["inputs"]["labels"], labelled(entry)

    def oracle(embeddings: Any, weight: Any, bias: Any) -> Any:
        rows = [distances.unit(row) for row in embeddings] if p["normalize"] else embeddings
        d = distances.self_matrix("squared-euclidean", rows)
        metric = triplet.over_triplets(d, mining.batch_hard(d, relation), triplet.linear_hinge(p["margin"]))
        return centers.cross_entropy(embeddings, labels, weight, bias) + p["w"] * metric

    def library(embeddings: Tensor, weight: Tensor, bias: Tensor, block_size: int | None) -> Tensor:
        metric = Triplet(p["margin"], mining="batch-hard", distance="squared-euclidean", block_size=block_size)
        loss = Joint(metric, *weight.shape, weight=p["w"], normalize=p["normalize"]).double()
        loss.classifier.data, loss.bias.data = weight.detach().clone(), bias.detach().clone()
        return handed(loss(embeddings, labels_of(entry)), (loss.classifier, weight), (loss.bias, bias))

    return Vectors(oracle, library)


def of_regularisers(entry: dict[str, Any]) -> Vectors:
    if entry["id"] == "SNR-3":
        relative = entry["name"].endswith("relative")
        return Vectors(
            lambda embeddings: regularisers.zero_mean(embeddings, relative),
            lambda embeddings, block_size: ZeroMean(relative)(embeddings),
        )
    labels = entry["inputs"]["labels"]
    return Vectors(
        lambda embeddings: regularisers.energy_confusion(embeddings, labels),
        lambda embeddings, block_size: EnergyConfusion()(embeddings, labels_of(entry)),
    )


def of_lmnn(entry: dict[str, Any]) -> Vectors:
    p, rows, labels = entry["params"], entry["inputs"]["embeddings"], entry["inputs"]["labels"]
    near = lmnn.target_neighbours(rows, labels, p["k"])

    def library(L: Tensor, block_size: int | None) -> Tensor:
        x = np.array(rows)
        targets = target_neighbours(x, np.array(labels), p["k"])
        value, slope = lmnn_objective(
            L.detach().numpy(), x, np.array(labels), targets, push=p["mu"], reduction=p["reduction"], block=block_size
        )
        return value + (torch.tensor(slope) * (L - L.detach())).sum()

    return Vectors(lambda L: lmnn.lmnn(L, rows, labels, near, p["mu"], p["reduction"]), library)


def on_labels(entry: dict[str, Any], make: Callable[..., RowLoss]) -> Callable[..., Tensor]:
    return lambda embeddings, block_size: make(block_size=block_size)(embeddings, labels_of(entry))


MATRICES = ("EUC-1", "EUC-2", "COS-1", "DOT-1", "SNR-1", "SNR-2", "SNR-5", "MAH-1", "MAH-2", "MAH-3")
FORMS: dict[str, Callable[[dict[str, Any]], Vectors]] = {
    **{name: of_a_matrix for name in MATRICES},
    "SNR-4": of_a_correlation,
    **{name: of_lmnn for name in ("LMN-1", "LMN-2")},
    **{name: of_contrastive for name in ("CON-1", "CON-3", "CON-4")},
    "CON-2": of_ready_pairs,
    **{name: of_triplets for name in ("TRI-1", "TRI-2", "TRI-5")},
    "TRI-3": of_semi_hard,
    **{name: of_batch_hard for name in ("TRI-4", "SBH-1")},
    "TRI-6": of_given_triplets,
    **{name: of_ratios for name in ("HOF-1", "HOF-2")},
    **{name: of_n_pair for name in ("NP-1", "NP-2")},
    "NP-3": of_all_positives,
    "TUP-1": of_tuples,
    **{name: of_combined for name in ("CMB-1", "CMB-2")},
    **{name: of_lifted for name in ("LFT-1", "LFT-2")},
    "DDM-1": of_ddml,
    "RLL-1": of_ranked_lists,
    **{name: of_angles for name in ("ANG-1", "ANG-2")},
    **{name: of_centers for name in ("CTC-1", "CTC-2")},
    "JNT-1": of_joint,
    **{name: of_proxies for name in ("PNC-1", "PNC-2", "PAN-1", "NSM-1", "ARC-1", "CSF-1", "SUB-1", "STP-1")},
    **{name: of_regularisers for name in ("SNR-3", "ECA-1")},
    **{name: of_rankings for name in ("FAP-1", "SAP-1", "RKS-1")},
    **{name: of_similarities for name in ("MSL-1", "CIR-1", "SUP-1", "NTX-1", "TPM-1", "NCA-1")},
    "MRG-1": of_borders,
}
MINED = [entry for entry in VECTORS if entry["id"].startswith("MIN-")]
COUNTED = [entry for entry in VECTORS if entry["id"] == "TRI-COUNT" or not entry["inputs"]]
INVERSES = [entry for entry in VECTORS if entry["id"] == "MAH-3"]
MOVED = [entry for entry in RIGHT if entry["id"] == "CTC-2" and "alpha" in entry["params"]]
WITH_VALUES = [entry for entry in RIGHT if all(entry not in some for some in (COUNTED, INVERSES, MOVED, MINED))]


def ids(some: list[dict[str, Any]]) -> list[str]:
    return [entry["key"] for entry in some]


def scalar_value(entry: dict[str, Any]) -> float:
    return entry["weighted_sum"] if "weights" in entry else entry["value"]


def answer(entry: dict[str, Any], block_size: int | None) -> tuple[float, dict[str, np.ndarray]]:
    """The library's value and gradients; a batch without terms warns, which is not the question here."""
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in arrays(entry).items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = FORMS[entry["id"]](entry).library(**tensors, block_size=block_size)
    found = torch.autograd.grad(value, list(tensors.values()))
    return float(value.detach()), {name: slope.numpy() for name, slope in zip(tensors, found, strict=True)}


def test_no_formula_of_the_library_is_without_check_values():
    assert {entry["id"] for entry in VECTORS} == FORMULAS == {*FORMS, "TRI-COUNT", *MINING}
    assert {formula for entry in LOSSES.values() for formula in entry.formulas} <= FORMULAS
    assert len(WITH_VALUES) >= 75
    assert len(WRONG) >= 10


@pytest.mark.parametrize("entry", WITH_VALUES, ids=ids(WITH_VALUES))
def test_the_oracle_reproduces_the_entry(entry):
    value, gradient = value_and_gradient(FORMS[entry["id"]](entry).oracle, arrays(entry))
    np.testing.assert_allclose(value, scalar_value(entry), RELATIVE, ABSOLUTE)
    for name, wanted in entry["gradient"].items():
        np.testing.assert_allclose(gradient[name], np.reshape(wanted, gradient[name].shape), RELATIVE, ABSOLUTE)


@pytest.mark.parametrize("block_size", BLOCKS)
@pytest.mark.parametrize("entry", WITH_VALUES, ids=ids(WITH_VALUES))
def test_the_library_reproduces_the_entry(entry, block_size):
    value, gradient = answer(entry, block_size)
    np.testing.assert_allclose(value, scalar_value(entry), RELATIVE, ABSOLUTE)
    for name, wanted in entry["gradient"].items():
        np.testing.assert_allclose(gradient[name], np.reshape(wanted, gradient[name].shape), RELATIVE, ABSOLUTE)


TARGETS = [entry for entry in VECTORS if "targets" in entry.get("extra", {})]


@pytest.mark.parametrize("entry", TARGETS, ids=ids(TARGETS))
def test_target_neighbours_are_those_of_the_entry(entry):
    inputs, k = entry["inputs"], entry["params"]["k"]
    assert lmnn.target_neighbours(inputs["embeddings"], inputs["labels"], k) == entry["extra"]["targets"]
    found = target_neighbours(np.array(inputs["embeddings"]), np.array(inputs["labels"]), k)
    assert [[j for j in row if j >= 0] for row in found.tolist()] == entry["extra"]["targets"]


MATRIX_ENTRIES = [entry for entry in RIGHT if entry["id"] in MATRICES]


@pytest.mark.parametrize("entry", MATRIX_ENTRIES, ids=ids(MATRIX_ENTRIES))
def test_every_distance_of_the_matrix_is_right_to_its_own_size(entry):
    x = torch.tensor(entry["inputs"]["embeddings"], dtype=torch.float64)
    found = library_distance(entry)(x).detach().numpy()
    apart = ~np.eye(len(x), dtype=bool)
    np.testing.assert_allclose(found[apart], np.array(entry["value"])[apart], rtol=RELATIVE, atol=0)
    if entry["id"] != "DOT-1":
        assert (np.diag(found) == 0).all()


@pytest.mark.parametrize("entry", INVERSES, ids=ids(INVERSES))
def test_an_inverse_covariance_is_that_of_the_covariance_of_the_entry(entry):
    """The entry's distances belong to its covariance S, shrunk; the oracle inverts it through a plain solver."""
    x, S = np.array(entry["inputs"]["embeddings"]), np.array(entry["extra"]["covariance"])
    share = entry["params"]["shrinkage"]
    M = np.linalg.inv((1 - share) * S + share * np.trace(S) / len(S) * np.eye(len(S)))
    wanted = [[(a - b) @ M @ (a - b) for b in x] for a in x]
    np.testing.assert_allclose(entry["value"], wanted, RELATIVE, ABSOLUTE)


@pytest.mark.parametrize("entry", WRONG, ids=ids(WRONG))
def test_the_library_does_not_compute_what_is_printed_wrong(entry):
    if entry["id"] in MATRICES:
        x = torch.tensor(entry["inputs"]["embeddings"], dtype=torch.float64)
        apart = ~np.eye(len(x), dtype=bool)
        found, printed = library_distance(entry)(x).detach().numpy()[apart], np.array(entry["value"])[apart]
        assert np.abs(found - printed).max() > 1e-3 * np.abs(printed).max()
        return
    if entry["id"] == "SNR-4":
        found = correlations(torch.tensor(entry["inputs"]["embeddings"], dtype=torch.float64)).numpy()
        assert np.abs(found - np.array(entry["value"])).max() > 0.1
        return
    value, _ = answer(entry, None)
    assert abs(value - entry["value"]) > 1e-3 * abs(entry["value"])


PRINTED_FORMS = [entry for entry in WRONG if entry["id"] not in {*MATRICES, "SNR-4"}]


@pytest.mark.parametrize("entry", PRINTED_FORMS, ids=ids(PRINTED_FORMS))
def test_the_oracle_of_the_printed_form_is_the_wrong_value(entry):
    value, gradient = value_and_gradient(FORMS[entry["id"]](entry).oracle, arrays(entry))
    np.testing.assert_allclose(value, entry["value"], RELATIVE, ABSOLUTE)
    for name, wanted in (entry["gradient"] or {}).items():
        np.testing.assert_allclose(gradient[name], wanted, RELATIVE, ABSOLUTE)


@pytest.mark.parametrize("entry", COUNTED, ids=ids(COUNTED))
def test_triplets_are_counted_as_the_entry_counts(entry):
    if entry["id"] == "TUP-1":
        assert len(tuples.tuple_triplets(entry["params"]["classes"])) == entry["value"] == 90
        return
    x, margin = torch.tensor(entry["inputs"]["embeddings"], dtype=torch.float64), entry["params"]["margin"]
    relation = labelled(entry)
    assert mining.classify(distances.self_matrix("euclidean", x.tolist()), relation, margin) == entry["value"]
    same = labels_of(entry)[:, None] == labels_of(entry)[None]
    counts = count_triplets(make_distance("euclidean")(x), same & ~torch.eye(len(x), dtype=torch.bool), ~same, margin)
    assert {**counts._asdict(), "total": counts.total} == entry["value"]


CHOICES = [entry for entry in RIGHT if "triplets" in entry.get("extra", {})]


@pytest.mark.parametrize("entry", CHOICES, ids=ids(CHOICES))
def test_miners_choose_the_triplets_of_the_entry(entry):
    p, relation = entry["params"], labelled(entry)
    x = torch.tensor(entry["inputs"]["embeddings"], dtype=torch.float64)
    name = NAMES[p["distance"]]
    d = distances.self_matrix(name, x.tolist())
    semi_hard = entry["id"] == "TRI-3"
    oracle = mining.semi_hard(d, relation, p["fallback"]) if semi_hard else mining.batch_hard(d, relation)
    assert sorted(map(list, oracle)) == sorted(entry["extra"]["triplets"])
    miner = make_miner("semi-hard", fallback=p["fallback"]) if semi_hard else make_miner("batch-hard")
    same = labels_of(entry)[:, None] == labels_of(entry)[None]
    kept = miner.choose(make_distance(name)(x), same & ~torch.eye(len(x), dtype=torch.bool), ~same, None)
    rows = torch.arange(len(x))[:, None].expand_as(kept.valid)
    found = torch.stack([rows, kept.positive, kept.negative], 2)[kept.valid]
    assert sorted(found.tolist()) == sorted(entry["extra"]["triplets"])


# Mining among normalised embeddings: what is chosen, by the oracle and by the library


def a_block(entry: dict[str, Any]) -> tuple[Block, list[list[float]], Kin]:
    """The block of the entry's batch, |u - u| by the oracle, and kin."""
    rows, labels = entry["inputs"]["embeddings"], labels_of(entry)
    x, same = torch.tensor(rows, dtype=torch.float64), labels[:, None] == labels
    positives = same & ~torch.eye(len(x), dtype=torch.bool)
    noise = torch.rand(len(x), 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    block = Block(make_distance("cosine")(x), positives, ~same, None, labels, x, x, None, noise, None, None)
    return block, mining.unit_matrix(rows, [rows] * len(rows)), labelled(entry)


def chosen_in(entry: dict[str, Any], rule: Any) -> list[list[int]]:
    """The triplets that a miner chooses or a filter keeps."""
    block = a_block(entry)[0]
    if isinstance(rule, Miner):
        found = rule.choose_in(block)
        rows = torch.arange(len(found.valid))[:, None].expand_as(found.valid)
        return sorted(torch.stack([rows, found.positive, found.negative], 2)[found.valid].tolist())
    index, valid = positive_table(block.positives)
    kept = rule.keeps(block)(index) & block.negatives[:, None] & valid[:, :, None]
    return sorted([a, int(index[a, k]), n] for a, k, n in kept.nonzero().tolist())


def weights_of_negatives(entry: dict[str, Any]) -> tuple[Any, Any, Any]:
    (block, d, relation), p = a_block(entry), entry["params"]
    dimensions = block.anchors.shape[1]
    rows = mining.density_weights(d, relation, dimensions, **p)
    found = DistanceWeighted(**p).probabilities(torch.tensor(d, dtype=torch.float64), block.negatives, dimensions)
    drawn = mining.drawn_by_density(d, relation, block.noise.tolist(), dimensions, **p)
    assert chosen_in(entry, DistanceWeighted(**p)) == sorted(map(list, drawn))
    return entry["value"], [[row.get(n, 0.0) for n in range(len(d))] for row in rows], found.tolist()


def easy_positives(entry: dict[str, Any]) -> tuple[Any, Any, Any]:
    _, d, relation = a_block(entry)
    wanted, oracle, library = [], [], []
    for kind in ("hard", "semi-hard"):
        key = f"{kind.replace('-', '_')}_negative"
        rows = [[one["anchor"], one["positive"], one[key]] for one in entry["value"]]
        wanted += sorted(row for row in rows if row[2] is not None)
        oracle += sorted(map(list, mining.nearest_positive(d, relation, kind)))
        library += chosen_in(entry, make_miner("easy-positive", negatives=kind))
    return wanted, oracle, library


def wide_angles(entry: dict[str, Any]) -> tuple[Any, Any, Any]:
    rows, degrees = entry["inputs"]["embeddings"], entry["params"]["angle_deg"]
    oracle = mining.wide_angles(rows, [rows] * len(rows), labelled(entry), degrees)
    return sorted(entry["value"]), sorted(map(list, oracle)), chosen_in(entry, make_miner("angular", angle_deg=degrees))


def surviving(entry: dict[str, Any]) -> tuple[Any, Any, Any]:
    (block, d, relation), eps = a_block(entry), entry["params"]["eps"]
    wanted = [entry["value"]["positive_pairs"], entry["value"]["negative_pairs"]]
    kept = surviving_pairs(block.distances, block.positives, block.negatives, eps)
    found = [side.nonzero().tolist() for side in kept]
    triplets = sorted([a, p, n] for a, p in wanted[0] for b, n in wanted[1] if a == b)
    oracle = sorted(map(list, mining.surviving_triplets(d, relation, eps)))
    rule = make_miner("multi-similarity", eps=eps)
    return [*wanted, triplets], [*mining.surviving_pairs(d, relation, eps), oracle], [*found, chosen_in(entry, rule)]


MINING = {"MIN-DW": weights_of_negatives, "MIN-EP": easy_positives, "MIN-AN": wide_angles, "MIN-MS": surviving}


@pytest.mark.parametrize("entry", MINED, ids=ids(MINED))
def test_mining_by_direction_chooses_what_the_entry_chooses(entry):
    wanted, oracle, library = MINING[entry["id"]](entry)
    assert len(wanted)
    if entry["id"] == "MIN-DW":
        np.testing.assert_allclose(oracle, wanted, RELATIVE, ABSOLUTE)
        np.testing.assert_allclose(library, wanted, RELATIVE, ABSOLUTE)
    else:
        assert oracle == library == wanted


@pytest.mark.parametrize("entry", MOVED, ids=ids(MOVED))
def test_centres_move_by_the_papers_rule(entry):
    x, c = (torch.tensor(entry["inputs"][name], dtype=torch.float64) for name in ("embeddings", "centers"))
    rate, labels = entry["params"]["alpha"], labels_of(entry)
    np.testing.assert_allclose(centers.moved(x.tolist(), labels.tolist(), c.tolist(), rate), entry["value"], RELATIVE)
    loss = Center(*c.shape, update="rule", rate=rate).double()
    loss.centers.copy_(c)
    loss(x, labels)
    np.testing.assert_allclose(loss.centers.numpy(), entry["value"], RELATIVE)
