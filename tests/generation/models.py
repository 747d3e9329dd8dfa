"""Small models for tests of generation: the library's modules and the oracle's weights, the same numbers in both."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nearkin.generation import Adversarial, MetricNetwork, Rows, WithMetricNetwork
from nearkin.losses import Contrastive, NPair, RowLoss, Triplet
from nearkin.losses.lifted import Lifted
from oracles.generation import GROUPS

PLAIN: dict[str, Any] = {
    "squared": True, "reduction": "mean", "half": False, "alpha": 0.5, "alpha_pair": 1.0, "adv_sign": -1,
    "adv_pos": "real", "syn_pos": False, "avg_pos": False, "avg_neg": False, "norm_feat": False, "norm_emb": False,
    "final_relu": False, "residual": False, "lambda1": 1.0, "lambda1_pos": 1.0, "lambda2": 50.0, "lambda_m": 1.0,
    "w_syn": 1.0,
}  # fmt: skip
"""The objective as relayed: one joint objective, no normalisation."""

CONFIGS: dict[str, dict[str, Any]] = {
    "as relayed": PLAIN,
    "daml": {**PLAIN, "half": True, "alpha": 1.0, "norm_feat": True, "final_relu": True, "lambda2": 1.0},
    "document 003": {
        **PLAIN, "reduction": "sum", "adv_sign": 1, "adv_pos": "syn", "syn_pos": True, "lambda1": 0.7,
        "lambda1_pos": 0.7, "lambda2": 1.3,
    },
    "dgm": {
        **PLAIN, "squared": False, "alpha": 0.1, "syn_pos": True, "avg_pos": True, "avg_neg": True, "norm_emb": True,
        "lambda_m": 100.0,
    },
    "nearkin": {
        **PLAIN, "alpha": 0.2, "norm_feat": True, "norm_emb": True, "residual": True, "lambda1": 3.0, "lambda2": 1.0,
        "w_syn": 0.5,
    },
    "nearkin with positives": {
        **PLAIN, "alpha": 0.2, "syn_pos": True, "norm_feat": True, "norm_emb": True, "residual": True, "lambda1": 3.0,
        "lambda1_pos": 3.0, "lambda2": 1.0, "w_syn": 0.5,
    },
}  # fmt: skip

SIZES = {"F_w": (4, 6), "F_b": (4,), "W1": (5, 4), "b1": (5,), "W2": (3, 5), "b2": (3,)}
SIZES |= {"A1": (6, 12), "c1": (6,), "A2": (4, 6), "c2": (4,), "B1": (6, 12), "e1": (6,), "B2": (4, 6), "e2": (4,)}
PAIRS = 3


def published() -> dict[str, Any] | None:
    """The published check values, where NEARKIN_VECTORS names their folder or `vectors.json` in it."""
    place = os.environ.get("NEARKIN_VECTORS")
    if not place:
        return None
    path = Path(place)
    file = (path if path.is_dir() else path.parent) / "vectors-generation.json"
    return json.loads(file.read_text()) if file.exists() else None


def drawn(seed: int = 4) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Weights, and the images of six triplets."""
    rng = np.random.default_rng(seed)
    model = {name: rng.normal(0, 0.6 if len(size) > 1 else 0.1, size) for name, size in SIZES.items()}
    return model, {name: rng.normal(0, 1, (6, 6)) for name in ("anchors", "positives", "negatives")}


def base_of(config: dict[str, Any], kind: str = "triplet") -> RowLoss:
    """The base loss whose J_m the formulas of DML-4 are."""
    reduction = config["reduction"]
    if kind == "triplet":
        distance = "squared-euclidean" if config["squared"] else "euclidean"
        return Triplet(config["alpha"], distance=distance, reduction=reduction)
    if kind == "contrastive":
        return Contrastive(config["alpha_pair"], average="sides", reduction=reduction)
    return NPair() if kind == "n-pair" else Lifted(config["alpha_pair"])


def build(
    config: dict[str, Any], model: dict[str, Any], kind: str = "triplet", **switches: Any
) -> tuple[WithMetricNetwork, Adversarial]:
    """Network and loss of a configuration, in float64, with the model's weights."""
    form = "residual" if config["residual"] else "plain-relu" if config["final_relu"] else "plain"
    switches = {"gradients": "three steps", "pretraining": 0.0, "cnn_rate": 1.0, **switches}
    loss = Adversarial(
        base_of(config, kind), dimensions=4, hidden=6, squared=config["squared"], reduction=config["reduction"],
        factor=0.5 if config["half"] else 1.0, margin=config["alpha"], adversarial_margin_sign=config["adv_sign"],
        adversarial_positive="synthetic" if config["adv_pos"] == "syn" else "real",
        synthetic_positive=config["syn_pos"], average_positive=config["avg_pos"], average_negative=config["avg_neg"],
        normalize_features=config["norm_feat"], normalize_embeddings=config["norm_emb"], generator=form,
        lambda1=config["lambda1"], lambda1_positive=config["lambda1_pos"], lambda2=config["lambda2"],
        metric_weight=config["lambda_m"], w_generated=config["w_syn"], **switches,
    )  # fmt: skip
    network = loss.network(nn.Linear(6, 4), 4)
    network.metric = MetricNetwork(4, hidden=5, outputs=3, normalize=config["norm_emb"])
    network.double()
    loss.double()
    with torch.no_grad():
        for name, parameter in parameters_of(network, loss).items():
            parameter.copy_(torch.tensor(model[name], dtype=torch.float64))
    return network, loss


def parameters_of(network: WithMetricNetwork, loss: Adversarial) -> dict[str, Tensor]:
    """The library's parameters under the oracle's names."""
    modules: list[Any] = [network.features_network, network.metric, loss.negative_generator, loss.positive_generator]
    return {
        name: parameter
        for module, names in zip(modules, GROUPS.values(), strict=True)
        if module is not None
        for name, parameter in zip(names, module.parameters(), strict=True)
    }


def triplet_rows(count: int = 6) -> Rows:
    """Rows of anchors, positives and negatives that stand one set after another."""
    at = torch.arange(count)[None, :, None]
    return Rows(at, at + count, at + 2 * count)
