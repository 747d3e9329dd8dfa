"""The dense form of every loss is traced whole: no shape and no branch depends on label values."""

from __future__ import annotations

import copy

import pytest
import torch

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
    Loss,
    Margin,
    MemoryBank,
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

CASES: dict[str, Loss] = {
    "arcface": ArcFace(4, 4),
    "cosface": CosFace(4, 4),
    "normalized softmax": NormalizedSoftmax(4, 4),
    "proxies": Proxies(Triplet(1.0), 4, 4, per_class=2),
    "proxy-anchor": ProxyAnchor(4, 4),
    "proxy-nca": ProxyNCA(4, 4),
    "proxy-nca++": ProxyNCAPlusPlus(4, 4),
    "soft-triple": SoftTriple(4, 4),
    "sub-center arcface": SubCenterArcFace(4, 4),
    "center": Center(4, 4),
    "center, rule": Center(4, 4, update="rule"),
    "contrastive-center": ContrastiveCenter(4, 4),
    "energy confusion": EnergyConfusion(),
    "joint": Joint(Triplet(1.0, mining="batch-hard"), 4, 4),
    "sum": Sum([Triplet(1.0), (NPair(), 0.5), (ZeroMean(), 0.1)]),
    "zero mean": ZeroMean(True),
    "angular": Angular(),
    "angular, triplets": Angular(form="triplet"),
    "ddml": DDML(),
    "generalized lifted": GeneralizedLifted(),
    "lifted": Lifted(),
    "ranked list": RankedList(),
    "contrastive": Contrastive(2.0),
    "contrastive, linear": Contrastive(2.0, form="linear", distance="snr"),
    "triplet": Triplet(1.0),
    "triplet, squared": Triplet(1.0, hinge="squared", reduction="mean_nonzero"),
    "triplet, set": Triplet(1.0, mining="semi-hard-set"),
    "triplet, semi-hard": Triplet(1.0, mining="semi-hard"),
    "triplet, batch-hard": Triplet(1.0, mining="batch-hard", hinge="soft", distance="cosine"),
    "triplet, random": Triplet(1.0, mining="random"),
    "triplet network": TripletNetwork(),
    "n-pair": NPair(0.02),
    "n-pair, all": NPair(pairs="all"),
    "tuple triplet": TupleTriplet(),
    "combined negatives": CombinedNegatives(),
    "fast-ap": FastAP(),
    "recall@k": RecallAtK((1, 2), rank_temperature=0.1),
    "smooth-ap": SmoothAP(0.1),
    "circle": Circle(),
    "margin": Margin(),
    "margin, a border a class": Margin(classes=4, nu=0.1),
    "multi-similarity": MultiSimilarity(),
    "multi-similarity, mined": MultiSimilarity(mining="multi-similarity"),
    "nca": NCA(),
    "nt-xent": NTXent(),
    "supcon": SupCon(),
    "tuplet margin": TupletMargin(),
}


def test_every_loss_has_a_case():
    """But for a memory, whose length is a value."""
    assert {type(loss) for loss in CASES.values()} == {entry.make for entry in LOSSES.values()} - {MemoryBank}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_fullgraph_trace_equals_eager_for_other_labels_too(name):
    loss = CASES[name]
    torch.compiler.reset()
    graphs: list[int] = []

    def backend(graph, inputs):
        graphs.append(len(graph.graph.nodes))
        return graph.forward

    compiled, eager_loss = torch.compile(loss, fullgraph=True, backend=backend), copy.deepcopy(loss)
    generator = torch.Generator().manual_seed(0)
    for labels in ([0, 0, 1, 1, 2, 0, 3], [1, 2, 2, 2, 2, 2, 1]):
        x = torch.randn(7, 4, generator=generator, dtype=torch.float64)
        y = torch.tensor(labels)
        noise = {"noise": torch.rand(7, loss.uniforms, generator=generator)} if loss.uniforms else {}
        leaves = [x.clone().requires_grad_() for _ in range(2)]
        traced, eager = (f(leaf, y, **noise) for f, leaf in zip((compiled, eager_loss), leaves))
        torch.testing.assert_close(traced, eager, rtol=1e-9, atol=1e-12)
        traced.backward()
        eager.backward()
        torch.testing.assert_close(leaves[0].grad, leaves[1].grad, rtol=1e-8, atol=1e-11)
    assert len(graphs) == 1, "other labels must not need another graph"
