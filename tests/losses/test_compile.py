"""The dense form of every loss is traced whole: no shape and no branch depends on label values."""

from __future__ import annotations

import copy
import inspect
import shutil
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo import lookup_backend

from nearkin.losses import LOSSES, NPair, Triplet, ZeroMean, make_loss
from nearkin.mining import Random, make_miner

SIZE = 4
"""Classes, and dimensions of the embeddings."""

NEEDED: dict[str, dict[str, Any]] = {
    "joint": {"metric": Triplet(1.0, mining="batch-hard")},
    "proxies": {"loss": NPair(pairs="all")},
    "sum": {"losses": [Triplet(1.0), (NPair(), 0.5), (ZeroMean(), 0.1)]},
}

WITHOUT = {"memory-bank"}
"""Losses that are not traced: how many rows a memory holds is a value."""

MORE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("angular", {"form": "triplet"}),
    ("center", {"update": "rule"}),
    ("combined-negatives", {"printed": True, "distance": "cosine"}),
    ("contrastive", {"form": "linear", "distance": "snr"}),
    ("lifted", {"distance": "mahalanobis"}),
    ("margin", {"per_class": True, "nu": 0.1}),
    ("multi-similarity", {"mining": "multi-similarity"}),
    ("n-pair", {"pairs": "all", "distance": "snr-symmetric"}),
    ("recall@k", {"at": (1, 2), "rank_temperature": 0.1}),
    ("triplet", {"hinge": "squared", "reduction": "mean_nonzero", "distance": "squared-euclidean"}),
    ("triplet", {"hinge": "soft", "distance": "relative-mahalanobis"}),
    ("triplet", {"mining": "semi-hard-set", "margin": 1.0}),
    ("triplet", {"mining": "semi-hard"}),
    ("triplet", {"mining": make_miner("semi-hard", fallback="skip"), "margin": 1.0}),
    ("triplet", {"mining": "batch-hard", "hinge": "soft", "distance": "cosine"}),
    ("triplet", {"mining": "random"}),
    ("triplet", {"mining": Random(triplets=3)}),
    *(("triplet", {"mining": name}) for name in ("angular", "distance-weighted", "easy-positive", "multi-similarity")),
    ("triplet", {"mining": make_miner("easy-positive", negatives="semi-hard"), "margin": 1.0}),
    ("triplet-network", {"distance": "inner-product"}),
)
"""Options and distances under which other lines are taken; every loss of the table stands beside these as it is."""

CASES = [*((name, {}) for name in LOSSES if name not in WITHOUT), *MORE]

LABELS = ([0, 0, 1, 1, 2, 0, 3], [1, 2, 2, 2, 2, 2, 1])


def made(name: str, options: dict[str, Any]) -> Any:
    """The loss, with what it needs; a distance that learns has its shape already."""
    known = inspect.signature(LOSSES[name].make).parameters
    sizes = {key: SIZE for key in ("classes", "dimensions") if known.get(key, inspect.Parameter).default is None}
    loss = copy.deepcopy(make_loss(name, **{**sizes, **NEEDED.get(name, {}), **options}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a miner may find nothing in so small a batch
        loss(torch.eye(SIZE), torch.tensor([0, 0, 1, 1]), **noise(loss, SIZE, torch.Generator()))
    return loss.double()


def noise(loss: Any, count: int, generator: torch.Generator) -> dict[str, Tensor]:
    return {"noise": torch.rand(count, loss.uniforms, generator=generator)} if loss.uniforms else {}


def check_trace(loss: nn.Module, backend: str) -> None:
    """One graph serves both batches; value and gradients, those of the loss's own parameters too, are the eager ones."""
    torch.compiler.reset()
    graphs: list[Callable[..., Any]] = []

    def counted(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return lookup_backend(backend)(graph, inputs)

    eager = copy.deepcopy(loss)
    compiled = torch.compile(loss, fullgraph=True, backend=counted)
    generator = torch.Generator().manual_seed(0)
    for labels in LABELS:
        x = torch.randn(7, SIZE, generator=generator, dtype=torch.float64)
        drawn = noise(eager, 7, generator)
        found = [value_and_gradients(each, x, labels, drawn, loss_) for each, loss_ in ((compiled, loss), (eager, eager))]
        for traced, wanted in zip(*found, strict=True):
            torch.testing.assert_close(traced, wanted, rtol=1e-8, atol=1e-11)
    assert len(graphs) == 1, "other labels must not need another graph"


def value_and_gradients(
    call: Callable[..., Tensor], x: Tensor, labels: list[int], drawn: dict[str, Tensor], loss: nn.Module
) -> Iterable[Tensor]:
    leaf = x.clone().requires_grad_()
    value = call(leaf, torch.tensor(labels), **drawn)
    wanted = [leaf, *(parameter for parameter in loss.parameters() if parameter.requires_grad)]
    gradients = torch.autograd.grad(value, wanted, allow_unused=True)
    return value.detach(), *(torch.zeros(()) if gradient is None else gradient for gradient in gradients)


def titles(case: tuple[str, dict[str, Any]]) -> str:
    return ", ".join([case[0], *(f"{key}={value}" for key, value in case[1].items())])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=titles)
def test_fullgraph_trace_equals_eager_for_other_labels_too(case):
    check_trace(made(*case), "aot_eager")


@pytest.fixture(scope="module")
def machine_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what inductor makes, fresh for this file: what it finds out of the compiler it finds out once."""
    return tmp_path_factory.mktemp("machine-code")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler, g++")
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own, when inductor is imported
@pytest.mark.parametrize("name", ["contrastive", "supcon", "triplet"])
def test_compiled_to_machine_code_it_equals_eager(name, machine_code, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(machine_code))
    check_trace(made(name, {}), "inductor")


def test_values_are_looked_at_outside_a_trace_only():
    """An eager call refuses NaN; traced, where a look at values would break the graph, it is not found out."""
    loss, x, y = make_loss("supcon"), torch.full((4, 2), torch.nan), torch.tensor([0, 0, 1, 1])
    with pytest.raises(ValueError, match="NaN"):
        loss(x, y)
    assert torch.compile(loss, fullgraph=True, backend="eager")(x, y).dtype == torch.float32
