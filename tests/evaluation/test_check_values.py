"""Published check values of retrieval, clustering scores and kNN [EVA-1, EVA-2, EVA-3].

NEARKIN_VECTORS names `vectors.json` or a folder with it. Both the library and the scalar loops must give every value.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from check_values import entries
from nearkin.decision.votes import ranking
from nearkin.evaluation import (
    adjusted_mutual_information,
    class_scores,
    evaluate,
    normalized_mutual_information,
    pairwise_f1,
)
from oracles import clustering, knn
from oracles.arithmetic import real
from oracles.distances import matrix
from oracles.retrieval import Oracle

EXACT = {"rel": 1e-9, "abs": 1e-12}


def scalar_matrix(x: list[list[float]], z: list[list[float]]) -> list[list[float]]:
    return [[real(d) for d in row] for row in matrix("euclidean", x, z)]


@pytest.mark.parametrize("entry", entries("EVA-1"))
def test_retrieval(entry):
    x, y, ks = entry["inputs"]["embeddings"], entry["inputs"]["labels"], tuple(entry["params"]["k"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = evaluate(np.array(x), y, at=ks, knn=(), clustering=False)
    truth = Oracle(scalar_matrix(x, x), y, y, ks=ks)
    columns = {"precision@1": "hit@1", "r_precision": "r-precision", "map@r": "ap@r"}
    for name, value in entry["value"].items():
        if name == "queries":
            assert len(y) - found.lone == value == sum(map(bool, truth.relevant))
            continue
        assert found.scores[name.replace("_", "-")] == pytest.approx(value, **EXACT)
        assert truth.mean(columns.get(name, name.replace("recall", "hit"))) == pytest.approx(value, **EXACT)


@pytest.mark.parametrize("entry", entries("EVA-2"))
def test_clustering_scores(entry):
    labels, clusters = entry["inputs"]["labels"], entry["inputs"]["clusters"]
    precision, recall, f1 = clustering.pair_scores(labels, clusters)
    ours = {
        "nmi_arithmetic": normalized_mutual_information(labels, clusters),
        "ami_arithmetic": adjusted_mutual_information(labels, clusters),
        "pair_f1": pairwise_f1(labels, clusters),
    }
    loops = {
        "mi": clustering.information(labels, clusters),
        "nmi_arithmetic": clustering.nmi(labels, clusters),
        "ami_arithmetic": clustering.ami(labels, clusters),
        "pair_precision": precision,
        "pair_recall": recall,
        "pair_f1": f1,
    }
    for name, value in entry["value"].items():
        assert loops[name] == pytest.approx(value, **EXACT)
        assert ours.get(name, value) == pytest.approx(value, **EXACT)


@pytest.mark.parametrize("entry", entries("EVA-3"))
def test_knn(entry):
    train, labels, queries = (entry["inputs"][name] for name in ("train", "train_labels", "test"))
    k, weights, classes = entry["params"]["k"], entry["params"]["weights"], sorted(set(labels))
    d = scalar_matrix(queries, train)
    for i, wanted in enumerate(entry["value"]):
        near = knn.nearest(d[i], range(len(train)), k)
        shares = knn.shares([(d[i][j], labels[j]) for j in near], classes, weights)
        assert shares == pytest.approx(wanted["prob"], **EXACT)
        assert knn.ranking(shares, classes) == wanted["ranking"]
        ours = class_scores(
            np.array([[d[i][j] for j in near]]), np.array([[labels[j] for j in near]]), len(classes), weights=weights
        )
        assert ours[0] == pytest.approx(wanted["prob"], **EXACT)
        assert ranking(ours)[0].tolist() == wanted["ranking"]
    found = evaluate(
        np.array([*queries, *queries]),
        [0, 1, 2, 0] * 2,
        support=np.array(train),
        support_labels=labels,
        knn=(k,),
        clustering=False,
    )
    name = f"knn@{k}" + ("-weighted" if weights == "distance" else "")
    right = [wanted["ranking"][0] == truth for wanted, truth in zip(entry["value"], [0, 1, 2, 0])]
    assert found.queries[name].tolist() == right * 2
