"""Every row loss of the table with every option that changes its rows, each beside the oracle that says what it means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nearkin.distances import DISTANCES, Distance
from nearkin.losses import LOSSES, RowLoss, make_loss
from nearkin.mining import AngularMiner, DistanceWeighted, MultiSimilarityMiner, Random, make_miner
from oracles import (
    angular,
    contrastive,
    ddml,
    lifted,
    margin,
    mining,
    n_pair,
    ranked_list,
    ranking,
    softmaxes,
    triplet,
    tuples,
)
from oracles.kin import Kin

Oracle = Callable[..., Any]
"""(d, kin, anchors, columns, noise) -> value; columns[i][j] is the vector in column j of row i. Where the loss asks both
ends of a pair, one argument more: (column) -> distances of its negatives."""

ROW_LOSSES = tuple(name for name, entry in LOSSES.items() if entry.kind == "rows")
"""Names of the losses of the engine; the others have tests of their own."""


@dataclass(frozen=True)
class Variant:
    """A loss of the table, its options, and what it means."""

    name: str
    oracle: Oracle
    options: dict[str, Any]
    symmetric: bool = False  # needs a symmetric distance
    norms: bool = False  # needs the embeddings' own norms
    chooses: bool = False  # compares distances to choose: exact ties are needed to test ties
    ends: bool = False  # asks for the negatives of both ends of a pair
    classes: bool = False  # needs class indices as labels
    directions: bool = False  # compares normalised embeddings to choose: a tie is up to rounding

    @property
    def title(self) -> str:
        return f"{self.name}({', '.join(f'{key}={value}' for key, value in self.options.items())})"

    @property
    def tuples(self) -> bool:
        return self.made.tuples

    @property
    def made(self) -> RowLoss:
        """The loss with a distance that it works with."""
        return self.make(self.able[0] if self.able else "euclidean")

    @property
    def able(self) -> tuple[str, ...]:
        """The only distances that the loss works with; none: all."""
        return getattr(LOSSES[self.name].make, "distances", None) or ()

    def make(self, distance: str | Distance, **more: Any) -> RowLoss:
        return make_loss(self.name, distance=distance, **{**self.options, **more})

    def works_with(self, distance: str) -> bool:
        kind = DISTANCES[distance]
        able = not self.able or distance in self.able
        if self.directions and not kind.keeps_space and distance != "cosine":
            return False
        return able and (kind.symmetric or not self.symmetric) and (kind.keeps_space or not self.norms)


def _contrastive(form: str, reduction: str, margin: float = 1.0, positive_margin: float = 0.0) -> Oracle:
    return lambda d, kin, *_: contrastive.contrastive(d, kin, form, margin, positive_margin, reduction)


def _all(cost: triplet.Cost, reduction: str = "mean") -> Oracle:
    return _chosen(lambda d, kin: mining.all_valid(kin), cost, reduction)


def _chosen(rule: Callable[[Any, Kin], mining.Triplets], cost: triplet.Cost, reduction: str = "mean") -> Oracle:
    return lambda d, kin, *_: triplet.over_triplets(d, rule(d, kin), cost, reduction, kin)


def _semi_hard(fallback: str) -> Callable[[Any, Kin], mining.Triplets]:
    return lambda d, kin: mining.semi_hard(d, kin, fallback)


def _semi_hard_set(margin: float) -> Callable[[Any, Kin], mining.Triplets]:
    return lambda d, kin: mining.semi_hard_set(d, kin, margin)


def _random(cost: triplet.Cost, count: int, reduction: str = "mean") -> Oracle:
    def oracle(d: Any, kin: Kin, anchors: Any, columns: Any, noise: Any) -> Any:
        return triplet.over_triplets(d, mining.drawn(kin, noise, count), cost, reduction, kin)

    return oracle


def _n_pair(l2: float = 0.0, reduction: str = "mean") -> Oracle:
    def oracle(d: Any, kin: Kin, anchors: Any, columns: Any, noise: Any) -> Any:
        pull = n_pair.l2_over_positive_pairs(anchors, columns, kin, l2, reduction) if l2 else 0.0
        return n_pair.over_positive_pairs(d, kin, reduction) + pull

    return oracle


def _combined(form: str = "CMB-2", log: bool = False, scale: float = 1.0, reduction: str = "mean") -> Oracle:
    return lambda d, kin, *_: tuples.combined_over_pairs(d, kin, form, log, scale, reduction)


def _contrastives() -> list[Variant]:
    def variant(oracle: Oracle, symmetric: bool = False, **options: Any) -> Variant:
        return Variant("contrastive", oracle, options, symmetric=symmetric)

    linear = {"form": "linear"}
    return [
        variant(_contrastive("CON-1", "mean")),
        variant(_contrastive("CON-1", "mean", margin=2.5), margin=2.5),
        variant(_contrastive("CON-1", "sum"), reduction="sum"),
        variant(_contrastive("CON-1", "sum_unordered"), True, reduction="sum_unordered"),
        variant(_contrastive("CON-1", "mean_nonzero"), reduction="mean_nonzero"),
        variant(_contrastive("CON-1", "pos_neg"), average="sides"),
        variant(_contrastive("CON-1", "pos_neg_nonzero"), average="sides", reduction="mean_nonzero"),
        variant(_contrastive("CON-4", "pos_neg_nonzero"), **linear),
        variant(
            _contrastive("CON-4", "pos_neg", 2.0, 0.3), **linear, margin=2.0, positive_margin=0.3, reduction="mean"
        ),
        variant(_contrastive("CON-4", "mean_nonzero", 1.0, 0.3), **linear, positive_margin=0.3, average="pairs"),
        variant(_contrastive("CON-4", "pos_neg_nonzero", -0.4, -0.9), **linear, margin=-0.4, positive_margin=-0.9),
        variant(_contrastive("CON-4", "sum"), **linear, reduction="sum"),
        variant(_contrastive("CON-4", "mean"), **linear, average="pairs", reduction="mean"),
    ]


def _triplets() -> list[Variant]:
    def variant(oracle: Oracle, chooses: bool = False, **options: Any) -> Variant:
        return Variant("triplet", oracle, options, chooses=chooses)

    linear, squared, soft = triplet.linear_hinge, triplet.squared_hinge, triplet.soft_margin
    skip = make_miner("semi-hard", fallback="skip")
    return [
        variant(_all(linear(0.2))),
        variant(_all(linear(1.5)), margin=1.5),
        variant(_all(linear(0.0), "mean_nonzero"), margin=0.0, reduction="mean_nonzero"),
        variant(_all(linear(0.2), "sum"), reduction="sum"),
        variant(_all(squared(0.2)), hinge="squared"),
        variant(_all(squared(1.0), "mean_nonzero"), hinge="squared", margin=1.0, reduction="mean_nonzero"),
        variant(_all(soft), hinge="soft"),
        variant(_all(soft, "sum"), hinge="soft", reduction="sum"),
        variant(_chosen(_semi_hard("easiest"), linear(0.2)), True, mining="semi-hard"),
        variant(_chosen(_semi_hard("easiest"), linear(1.0), "mean_nonzero"), True, mining="semi-hard", margin=1.0, reduction="mean_nonzero"),
        variant(_chosen(_semi_hard("skip"), squared(1.0)), True, mining=skip, margin=1.0, hinge="squared"),
        variant(_chosen(_semi_hard_set(1.0), linear(1.0)), True, mining="semi-hard-set", margin=1.0),
        variant(_chosen(_semi_hard_set(1.0), squared(1.0), "sum"), True, mining="semi-hard-set", margin=1.0, hinge="squared", reduction="sum"),
        variant(_chosen(_semi_hard_set(1.0), linear(1.0), "mean_nonzero"), True, mining="semi-hard-set", margin=1.0, reduction="mean_nonzero"),
        variant(_chosen(mining.batch_hard, linear(0.5)), True, mining="batch-hard", margin=0.5),
        variant(_chosen(mining.batch_hard, soft), True, mining="batch-hard", hinge="soft"),
        variant(_chosen(mining.batch_hard, squared(0.2), "sum"), True, mining="batch-hard", hinge="squared", reduction="sum"),
        *_by_directions(),
        variant(_random(linear(0.2), 1), mining="random"),
        variant(_random(linear(0.5), 3, "mean_nonzero"), mining=Random(triplets=3), margin=0.5, reduction="mean_nonzero"),
    ]  # fmt: skip


def _by_directions() -> list[Variant]:
    """Rules that look at normalised embeddings, whatever the distance of the loss."""

    def variant(
        rule: Callable[[Any, Kin, Any, Any, Any], mining.Triplets],
        margin: float,
        reduction: str = "mean",
        **options: Any,
    ) -> Variant:
        def oracle(d: Any, kin: Kin, anchors: Any, columns: Any, noise: Any) -> Any:
            apart = mining.unit_matrix(anchors, columns)
            return triplet.over_triplets(
                d, rule(apart, kin, anchors, columns, noise), triplet.linear_hinge(margin), reduction, kin
            )

        return Variant(
            "triplet", oracle, {"margin": margin, "reduction": reduction, **options}, chooses=True, directions=True
        )

    def drawn(apart: Any, kin: Kin, anchors: Any, columns: Any, noise: Any) -> mining.Triplets:
        return mining.drawn_by_density(apart, kin, noise, 5, cutoff=0.3)

    weighted = DistanceWeighted(cutoff=0.3, effective_dimensions=5)
    easy, easier = mining.nearest_positive, make_miner("easy-positive", negatives="semi-hard")
    narrow = MultiSimilarityMiner(eps=0.01)
    return [
        variant(lambda d, kin, a, c, noise: mining.drawn_by_density(d, kin, noise, 3), 0.5, mining="distance-weighted"),
        variant(drawn, 1.0, "sum", mining=weighted),
        variant(lambda d, kin, *_: easy(d, kin, "hard"), 0.5, mining="easy-positive"),
        variant(lambda d, kin, *_: easy(d, kin, "semi-hard"), 1.0, "mean_nonzero", mining=easier),
        variant(lambda d, kin, a, c, _: mining.wide_angles(a, c, kin), 0.5, mining="angular"),
        variant(lambda d, kin, a, c, _: mining.wide_angles(a, c, kin, 45.0), 1.0, "mean_nonzero", mining=AngularMiner(45.0)),
        variant(lambda d, kin, *_: mining.surviving_triplets(d, kin), 0.5, mining="multi-similarity"),
        variant(lambda d, kin, *_: mining.surviving_triplets(d, kin, 0.01), 1.0, "sum", mining=narrow),
    ]  # fmt: skip


def _pairs_of_classes() -> list[Variant]:
    def variant(name: str, oracle: Oracle, norms: bool = False, **options: Any) -> Variant:
        return Variant(name, oracle, options, norms=norms)

    ratio, linear = triplet.ratio, triplet.linear_hinge
    return [
        variant("triplet-network", _all(ratio(2.0))),
        variant("triplet-network", _all(ratio(1.0)), scale=1.0),
        variant("triplet-network", _all(ratio(2.0), "sum"), reduction="sum"),
        variant("n-pair", _n_pair()),
        variant("n-pair", _n_pair(0.02), True, l2=0.02),
        variant("n-pair", _n_pair(0.3, "sum"), True, l2=0.3, reduction="sum"),
        variant("n-pair", _n_pair(), pairs="all"),
        variant("n-pair", _n_pair(0.3), True, pairs="all", l2=0.3),
        variant("tuple-triplet", _all(ratio(2.0))),
        variant("tuple-triplet", _all(ratio(2.0), "sum"), reduction="sum"),
        variant("tuple-triplet", _all(linear(1.0)), inner="triplet"),
        variant("tuple-triplet", _all(linear(0.2)), inner="triplet", margin=0.2),
        variant("combined-negatives", _combined()),
        variant("combined-negatives", _combined(log=True), log=True),
        variant("combined-negatives", _combined(scale=0.5), scale=0.5),
        variant("combined-negatives", _combined("CMB-1"), printed=True),
        variant("combined-negatives", _combined("CMB-1", scale=2.0, reduction="sum"), printed=True, scale=2.0, reduction="sum"),
    ]  # fmt: skip


def _lifted(margin: float = 1.0, reduction: str = "mean") -> Oracle:
    return lambda d, kin, anchors, columns, noise, other_end: lifted.lifted(d, kin, margin, reduction, other_end)


def _generalized(margin: float = 1.0, reduction: str = "mean") -> Oracle:
    return lambda d, kin, *_: lifted.generalized(d, kin, margin, reduction)


def _ddml(*settings: Any) -> Oracle:
    return lambda d, kin, *_: ddml.ddml(d, kin, *settings)


def _ranked(**settings: Any) -> Oracle:
    return lambda d, kin, *_: ranked_list.ranked_list(d, kin, **settings)


def _angular(loss: Callable[..., Any], alpha: float = 45.0, reduction: str = "mean") -> Oracle:
    return lambda d, kin, anchors, columns, noise: loss(anchors, columns, kin, alpha, reduction)


def _crowds_and_lists() -> list[Variant]:
    def variant(name: str, oracle: Oracle, ends: bool = False, **options: Any) -> Variant:
        return Variant(name, oracle, options, ends=ends)

    pairs, triplets = angular.over_positive_pairs, angular.over_triplets
    temperatures = {"negative_temperature": 3.0, "positive_temperature": 2.0}
    return [
        variant("lifted", _lifted(), True),
        variant("lifted", _lifted(0.3, "mean_nonzero"), True, margin=0.3, reduction="mean_nonzero"),
        variant("lifted", _lifted(1.0, "sum"), True, reduction="sum"),
        variant("generalized-lifted", _generalized()),
        variant("generalized-lifted", _generalized(0.3, "mean_nonzero"), margin=0.3, reduction="mean_nonzero"),
        variant("generalized-lifted", _generalized(1.0, "sum"), reduction="sum"),
        variant("ddml", _ddml()),
        variant("ddml", _ddml(2.0, 1.5, "sum"), threshold=2.0, sharpness=1.5, reduction="sum"),
        variant("ranked-list", _ranked()),
        variant("ranked-list", _ranked(alpha=1.0, m=0.3, lam=0.2, reduction="sum"), border=1.0, margin=0.3, balance=0.2, reduction="sum"),
        variant("ranked-list", _ranked(Tn=3.0, Tp=2.0, detach=False), detach=False, **temperatures),
        variant("angular", _angular(pairs)),
        variant("angular", _angular(pairs, 36.0, "sum"), alpha_deg=36.0, reduction="sum"),
        variant("angular", _angular(pairs), form="tuples"),
        variant("angular", _angular(triplets, 25.0), form="triplet", alpha_deg=25.0),
    ]  # fmt: skip


def _pair(oracle: Callable[..., Any], **settings: Any) -> Oracle:
    return lambda d, kin, *_: oracle(d, kin, **settings)


def _pairs_by_similarity() -> list[Variant]:
    def variant(name: str, oracle: Oracle, **options: Any) -> Variant:
        return Variant(name, oracle, options, classes="per_class" in options)

    border = float(np.float32(1.2))  # a learned number is a float32
    s = softmaxes
    return [
        variant("margin", _pair(margin.margin, beta=border)),
        variant("margin", _pair(margin.margin, m=0.5, beta=1.0, reduction="mean"), margin=0.5, beta=1.0, reduction="mean"),
        variant("margin", _pair(margin.margin, beta=border, nu=0.3, reduction="sum"), per_class=True, classes=8, nu=0.3, reduction="sum"),
        variant("margin", _pair(margin.margin, beta=1.125, nu=0.5), beta=1.125, nu=0.5),
        variant("multi-similarity", _pair(s.multi_similarity)),
        variant("multi-similarity", _pair(s.multi_similarity, a=3.0, bt=20.0, b=0.75, reduction="sum"), positive_scale=3.0, negative_scale=20.0, base=0.75, reduction="sum"),
        variant("multi-similarity", _pair(s.multi_similarity, mining=True), mining="multi-similarity"),
        variant("multi-similarity", _pair(s.multi_similarity, mining=True, eps=0.01), mining="multi-similarity", eps=0.01),
        variant("circle", _pair(s.circle)),
        variant("circle", _pair(s.circle, m=0.25, gamma=16.0, reduction="sum"), margin=0.25, scale=16.0, reduction="sum"),
        variant("supcon", _pair(s.sup_con)),
        variant("supcon", _pair(s.sup_con, temperature=0.5, reduction="sum"), temperature=0.5, reduction="sum"),
        variant("nt-xent", _pair(s.nt_xent)),
        variant("nt-xent", _pair(s.nt_xent, temperature=0.5, reduction="sum"), temperature=0.5, reduction="sum"),
        variant("tuplet-margin", _pair(s.tuplet_margin)),
        variant("tuplet-margin", _pair(s.tuplet_margin, beta_deg=20.0, scale=16.0, reduction="sum"), margin_deg=20.0, scale=16.0, reduction="sum"),
        variant("nca", _pair(s.nca)),
        variant("nca", _pair(s.nca, c=0.5, reduction="sum"), scale=0.5, reduction="sum"),
    ]  # fmt: skip


def _rankings() -> list[Variant]:
    def variant(name: str, oracle: Oracle, **options: Any) -> Variant:
        return Variant(name, oracle, options)

    fast, smooth, recall = ranking.fast_ap, ranking.smooth_ap, ranking.recall_at_k
    ranks = {"recall_temperature": 0.5, "rank_temperature": 0.25}
    return [
        variant("fast-ap", _pair(fast)),
        variant("fast-ap", _pair(fast, bins=3, reduction="sum"), bins=3, reduction="sum"),
        variant("smooth-ap", _pair(smooth, tau=0.25), temperature=0.25),
        variant("smooth-ap", _pair(smooth, tau=1.0, reduction="sum"), temperature=1.0, reduction="sum"),
        variant("recall@k", _pair(recall, t1=0.5, t2=0.25), **ranks),
        variant(
            "recall@k",
            _pair(recall, ks=(1, 2), t1=0.5, t2=0.25, divisor="positives"),
            at=(1, 2),
            divisor="positives",
            **ranks,
        ),
        variant("recall@k", _pair(recall, t1=0.5, t2=0.25, reduction="sum"), reduction="sum", **ranks),
    ]


VARIANTS = (
    _contrastives() + _triplets() + _pairs_of_classes() + _crowds_and_lists() + _pairs_by_similarity() + _rankings()
)
