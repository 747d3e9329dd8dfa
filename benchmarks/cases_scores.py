"""Evaluation and k-means as rows: the functions of `cases_evaluation` at full and at tiny sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import cases_evaluation as evaluation
from contenders import repair_torchvision
from harness import OML, OURS, PML, Answer, Case, Contender, Setup, Target

PRODUCT = "matrix product"
SMALL = {"count": 500, "clusters": 10}

LISTING = f"{PML}, default"
"""The peer as it comes; it holds all pairs."""

BINS = f"{PML}, max_bin_count"

OTHER_DRAWS = ("starts", "rounds", "whole_clustering")
"""Functions whose contenders draw or break ties each in their own way: nothing is compared."""


def _setup(small: bool, *, name: str, peaks: bool, **sizes: int) -> Setup:
    repair_torchvision()
    if small:
        sizes = {key: min(size, SMALL.get(key, size)) for key, size in sizes.items()}
    found: Mapping[str, Callable[[], Any]] = getattr(evaluation, name)(**sizes)
    compared = name not in OTHER_DRAWS
    contenders = [_contender(title, call, compared, peaks) for title, call in found.items() if title in _shown(found)]
    peers = [one for one in contenders if one.kind == "peer"]
    return Setup(contenders, peers[0].run if compared and peers else None)


def _shown(found: Mapping[str, Any]) -> list[str]:
    """Ours in its default form only."""
    return [title for title in found if title == OURS or not title.startswith(OURS)]


def _contender(title: str, call: Callable[[], Any], compared: bool, peaks: bool) -> Contender:
    if title == "floor":
        return Contender(PRODUCT, partial(_done, call), "floor")
    kind = "ours" if title == OURS else "peer"
    unlike = title == "torchmetrics" or not compared
    run = partial(_done if unlike else _scores, call)
    return Contender(title, run, kind, peak=peaks and not unlike, unlike=unlike and kind == "peer")


def _scores(call: Callable[[], Any]) -> Answer:
    """The scores that both sides give, under our names."""
    scores = call()
    return {
        ours: float(scores[theirs] if theirs in scores else scores[ours]) for theirs, ours in evaluation.SCORES.items()
    }


def _done(call: Callable[[], Any]) -> Answer:
    call()
    return {}


def _case(
    title: str, name: str, targets: list[Target], *, timed: bool = True, peaks: bool = False, **sizes: int
) -> Case:
    make = partial(_setup, name=name, peaks=peaks, **sizes)
    return Case(title, make, targets, timed=timed, weighed=peaks)


CASES = [
    _case(
        "evaluation/self-retrieval 60000 x 512",
        "self_retrieval",
        [Target("cost", 0.7, PRODUCT), Target("faster", 1, BINS), Target("leaner", 5, BINS)],
        peaks=True,
        count=60_000,
        width=512,
    ),
    _case("evaluation/self-retrieval 10000 x 512", "self_retrieval", [Target("cost", 0.7, PRODUCT), Target("faster", 1, BINS), Target("faster", 1, OML)], count=10_000, width=512),
    _case("evaluation/self-retrieval 6000 x 512", "self_retrieval", [Target("faster", 1, LISTING), Target("faster", 1, OML), Target("leaner", 5, LISTING), Target("leaner", 5, OML)], peaks=True, count=6000, width=512),
    _case("evaluation/self-retrieval 1000 x 512", "self_retrieval", [Target("faster", 1, "torchmetrics")], count=1000, width=512),
    _case("evaluation/queries and gallery 10000 x 512", "gallery", [Target("cost", 1.25, PRODUCT), Target("faster", 1, BINS), Target("faster", 1, OML)], count=10_000, width=512),
    _case("evaluation/queries and gallery 60000 x 512", "gallery", [Target("cost", 1.25, PRODUCT), Target("faster", 1, BINS), Target("leaner", 5, BINS)], peaks=True, count=60_000, width=512),
    _case("evaluation/self-retrieval 145000 x 256", "self_retrieval", [Target("memory", 2048)], timed=False, peaks=True, count=145_000, width=256),
    _case("k-means/greedy starts 20000 x 128, k=500", "starts", [Target("faster", 3, "scikit-learn")], count=20_000, clusters=500),
    _case("k-means/10 rounds 20000 x 128, k=500", "rounds", [Target("faster", 1, "scikit-learn"), Target("faster", 1, "faiss")], count=20_000, clusters=500),
    _case("k-means/10 restarts 5000 x 128, k=100", "whole_clustering", [Target("faster", 1, "scikit-learn")], count=5000, clusters=100),
]  # fmt: skip
