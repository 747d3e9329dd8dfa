"""Every term of every configuration equals its scalar oracle, and both the published values, in value and gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from generation.models import CONFIGS, PAIRS, base_of, build, drawn, parameters_of, published, triplet_rows
from nearkin.generation import Adversarial, WithMetricNetwork, best_share
from nearkin.generation.metric_term import metric_term
from nearkin.training.generated_step import take_generated_step
from nearkin.training.plan import TrainingPlan
from oracles import generation as oracle
from oracles.gradient import STEP

VECTORS = published()
with_vectors = pytest.mark.skipif(VECTORS is None, reason="needs check values: set NEARKIN_VECTORS to their folder")
PLAN = TrainingPlan(steps=4, classes_per_batch=2, images_per_class=2)
CLOSE = {"rtol": 1e-10, "atol": 1e-13}


def images_of(data: dict[str, np.ndarray]) -> Tensor:
    return torch.tensor(np.concatenate([data[name] for name in ("anchors", "positives", "negatives")]))


def library_terms(
    config: dict[str, Any], model: dict[str, Any], data: dict[str, np.ndarray], stopped: bool = False
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Every term by the library, and the parameters. `stopped`: generated features are constants, as in the first step."""
    network, loss = build(config, model, gradients="joint")
    features = network.features(images_of(data))
    embeddings = network.metric(features)
    rows = triplet_rows()
    cut = (lambda x: x.detach()) if stopped else (lambda x: x)
    a, p, n = rows.flat(cut(features))
    made = loss.generate(a, p, n)
    negative = loss.negative_terms(a, p, n, made, network.metric)
    seen = network.metric(cut(made.negative))
    mixed = loss.metric_term(rows, embeddings, seen)
    factor = loss.settings.factor
    found = {
        "J_hard": negative.near, "J_reg": negative.regular, "J_adv": negative.adversarial, "J_gen": negative.total,
        "Jm_triplet": factor * mixed.generated.value, "Jm_mix": mixed.value,
        "Jm_triplet_real": loss.metric_term(rows, embeddings, None).value / loss.settings.metric_weight,
    }  # fmt: skip
    ends = embeddings[rows.anchor[:, :, 0]], embeddings[rows.positive[:, :, 0]]
    found["Jm_contrastive"] = metric_term(base_of(config, "contrastive"), *ends, seen[None, :, None]).value
    positives = loss.positive_terms(a, p, made)
    if positives is not None:
        found |= {"J_hard_pos": positives.near, "J_reg_pos": positives.regular, "J_gen_pos": positives.total}
    for kind in ("n-pair", "lifted"):
        found["Jm_" + kind.replace("-", "")] = over_pairs(kind, config, loss, network, features, cut)
    return found, parameters_of(network, loss)


def over_pairs(
    kind: str, config: dict[str, Any], loss: Adversarial, network: WithMetricNetwork, features: Tensor, cut: Any
) -> Tensor:
    """J_m of N-pair input: the first pairs of anchors and positives, paired by the library out of their labels."""
    x = torch.cat([features[:PAIRS], features[6 : 6 + PAIRS]])
    own = Adversarial(base_of(config, kind), w_generated=1.0, factor=0.5)  # c touches the triplet loss alone
    rows = own.rows(x, torch.arange(PAIRS).repeat(2))
    made = loss.generate(*rows.flat(cut(x)))
    return own.metric_term(rows, network.metric(x), network.metric(cut(made.negative))).value


def gradients(value: Tensor, parameters: dict[str, Tensor]) -> dict[str, np.ndarray]:
    found = torch.autograd.grad(value, list(parameters.values()), allow_unused=True, retain_graph=True)
    return {
        name: np.zeros(parameter.shape) if one is None else one.numpy()
        for (name, parameter), one in zip(parameters.items(), found, strict=True)
    }


def oracle_terms(
    config: dict[str, Any], model: dict[str, Any], data: dict[str, np.ndarray], step: str | None = None
) -> dict[str, tuple[float, dict[str, np.ndarray]]]:
    """Every term and its gradient, by one pass of the oracle for each weight."""
    constant = {name: array.tolist() for name, array in data.items()}
    used = {k: np.asarray(v) for k, v in model.items() if config["syn_pos"] or k not in oracle.GROUPS["gpos"]}
    weights = {name: array.tolist() for name, array in used.items()}

    def terms() -> dict[str, complex]:
        return oracle.terms(weights, config, **constant, pairs=PAIRS, step=step)

    found = {
        term: (complex(value).real, {n: np.zeros(a.shape) for n, a in used.items()}) for term, value in terms().items()
    }
    moving = {"s2": oracle.GROUPS["gneg"], "s3": oracle.GROUPS["gpos"]}.get(step or "", tuple(used))
    for name, array in ((name, used[name]) for name in moving):
        for index in np.ndindex(array.shape):
            row = weights[name] if array.ndim == 1 else weights[name][index[0]]
            row[index[-1]] = complex(array[index], STEP)
            for term, value in terms().items():
                found[term][1][name][index] = complex(value).imag / STEP
            row[index[-1]] = float(array[index])
    return found


@pytest.mark.parametrize("name", CONFIGS)
def test_terms_and_their_gradients_are_the_oracles(name: str) -> None:
    config, (model, data) = CONFIGS[name], drawn()
    for stopped in (False, True):
        found, parameters = library_terms(config, model, data, stopped)
        wanted = oracle_terms(config, model, data, "s1" if stopped else None)
        assert set(found) == set(wanted)
        for term, (value, slopes) in wanted.items():
            if stopped and not term.startswith("Jm"):
                continue
            np.testing.assert_allclose(float(found[term].detach()), value, **CLOSE, err_msg=term)
            for key, slope in gradients(found[term], parameters).items():
                np.testing.assert_allclose(slope, slopes[key], 1e-9, 1e-12, err_msg=f"{term}, {key}, {stopped}")


class Recording:
    """An optimiser that moves nothing and keeps the gradients that it was to move by."""

    def __init__(self, parameters: dict[str, Tensor]) -> None:
        self.parameters = parameters
        self.param_groups = [{"role": "all", "base_rate": 1.0, "params": list(parameters.values())}]
        self.steps: list[dict[str, np.ndarray]] = []

    def zero_grad(self, set_to_none: bool = True) -> None:
        for parameter in self.parameters.values():
            parameter.grad = None

    def step(self) -> None:
        self.steps.append({n: p.grad.numpy().copy() for n, p in self.parameters.items() if p.grad is not None})


def taken(config: dict[str, Any], model: dict[str, Any], data: dict[str, np.ndarray], **switches: Any) -> list[Any]:
    network, loss = build(config, model, **switches)
    loss.rows = lambda *_, **__: triplet_rows()  # type: ignore[method-assign]
    recording = Recording(parameters_of(network, loss))
    labels = torch.arange(6).repeat(3)
    take_generated_step(network, loss, images_of(data), labels, recording, PLAN, 1, generator=torch.Generator())
    return recording.steps


STEPS = (("s1", "Jm_mix"), ("s2", "J_gen"), ("s3", "J_gen_pos"))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_three_steps_move_by_the_oracles_gradients(name: str) -> None:
    config, (model, data) = CONFIGS[name], drawn()
    steps = taken(config, model, data)
    assert len(steps) == (3 if config["syn_pos"] else 2)
    for moved, (step, term), groups in zip(steps, STEPS, (("cnn", "metric"), ("gneg",), ("gpos",)), strict=False):
        _, slopes = oracle_terms(config, model, data, step)[term]
        assert set(moved) == {key for group in groups for key in oracle.GROUPS[group]}
        for key, slope in slopes.items():
            np.testing.assert_allclose(
                moved.get(key, np.zeros_like(slope)), slope, 1e-9, 1e-12, err_msg=f"{step} {key}"
            )


@pytest.mark.parametrize("name", ["as relayed", "daml", "document 003"])
def test_the_joint_step_moves_all_groups_by_one_sum(name: str) -> None:
    config, (model, data) = CONFIGS[name], drawn()
    (moved,) = taken(config, model, data, gradients="joint")
    terms = oracle_terms(config, model, data)
    wanted = [terms[term][1] for term in ("Jm_mix", "J_gen", *["J_gen_pos"] * config["syn_pos"])]
    for key, slope in moved.items():
        np.testing.assert_allclose(slope, sum(one[key] for one in wanted), 1e-9, 1e-12, err_msg=key)


# Published values


def from_file(name: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, np.ndarray], dict[str, Any]]:
    assert VECTORS is not None
    entry = VECTORS["configs"][name]
    data = {name: np.array(VECTORS[f"u_{name[:-1]}"]) for name in ("anchors", "positives", "negatives")}
    return entry["config"], {k: np.array(v) for k, v in VECTORS["parameters"].items()}, data, entry


def probed(slopes: dict[str, np.ndarray], group: str) -> list[float]:
    flat = np.concatenate([slopes[key].ravel() if key in slopes else [] for key in oracle.GROUPS[group]])
    return [float(np.sqrt((flat**2).sum())), float((np.cos(np.arange(1, len(flat) + 1)) * flat).sum())]


@with_vectors
@pytest.mark.parametrize("name", VECTORS["configs"] if VECTORS else ["no file"])
def test_published_values_and_gradients(name: str) -> None:
    config, model, data, entry = from_file(name)
    assert {group: tuple(names) for group, names in VECTORS["groups"].items()} == oracle.GROUPS
    constant = {key: array.tolist() for key, array in data.items()}
    values = oracle.terms({key: array.tolist() for key, array in model.items()}, config, **constant, pairs=PAIRS)
    found, parameters = library_terms(config, model, data)
    assert set(entry["values"]) == set(found)
    for term, value in entry["values"].items():
        np.testing.assert_allclose(float(found[term].detach()), value, **CLOSE, err_msg=term)
        np.testing.assert_allclose(complex(values[term]).real, value, **CLOSE, err_msg=term)
        slopes = gradients(found[term], parameters)
        for group, summary in entry["gradient_summary_full_graph"][term].items():
            np.testing.assert_allclose(probed(slopes, group), summary, 1e-10, 1e-12, err_msg=f"{term}, {group}")
        for key, array in entry.get("gradient_full_graph", {}).get(term, {}).items():
            np.testing.assert_allclose(slopes[key], array, **CLOSE, err_msg=f"{term}, {key}")
    stopped, parameters = library_terms(config, model, data, stopped=True)
    for term, groups in entry["gradient_summary_steps"]["s1"].items():
        slopes = gradients(stopped[term], parameters)
        for group, summary in groups.items():
            np.testing.assert_allclose(probed(slopes, group), summary, 1e-10, 1e-12, err_msg=f"s1, {term}, {group}")


@with_vectors
@pytest.mark.parametrize("name", VECTORS["configs"] if VECTORS else ["no file"])
def test_published_gradients_of_the_three_steps(name: str) -> None:
    config, model, data, entry = from_file(name)
    for moved, (step, term) in zip(taken(config, model, data), STEPS, strict=False):
        for group, summary in entry["gradient_summary_steps"][step][term].items():
            np.testing.assert_allclose(probed(moved, group), summary, 1e-10, 1e-12, err_msg=f"{step}, {group}")
        for key, array in entry.get("gradient_steps", {}).get(step, {}).get(term, {}).items():
            np.testing.assert_allclose(moved[key], array, **CLOSE, err_msg=f"{step}, {key}")


@with_vectors
@pytest.mark.parametrize("name", VECTORS["configs"] if VECTORS else ["no file"])
def test_published_rows(name: str) -> None:
    config, model, data, entry = from_file(name)
    network, loss = build(config, model)
    features = network.features(images_of(data))
    made = loss.generate(*triplet_rows().flat(features))
    for i, row in enumerate(entry["rows"]):
        np.testing.assert_allclose(made.negative[i].tolist(), row["g"], **CLOSE)
        np.testing.assert_allclose(network.metric(features)[i].tolist(), row["y_anchor"], **CLOSE)
        np.testing.assert_allclose(network.metric(made.negative)[i].tolist(), row["y_generated"], **CLOSE)
        if config["syn_pos"]:
            np.testing.assert_allclose(made.partner[i].tolist(), row["g_pos"], **CLOSE)


@pytest.mark.parametrize(("length", "value"), [(1e-4, 1e-4), (3e-6, 3e-6), (1e-9, 1e-6), (0.0, 1e-6)])
def test_lengths_without_squares_have_a_floor_and_no_slope_below_it(length: float, value: float) -> None:
    loss = Adversarial(squared=False)
    a = torch.zeros(1, 2, dtype=torch.float64)
    g = torch.tensor([[length, 0.0]], dtype=torch.float64, requires_grad=True)
    made = type("G", (), {"made": g, "negative": a, "partner": a, "positive": None})
    near = loss.negative_terms(a, a, a, made, lambda x: x).near
    assert near.item() == pytest.approx(value, rel=1e-12)
    assert torch.autograd.grad(near, g)[0][0, 0].item() == pytest.approx(float(length > 1e-6), rel=1e-12)


# What the optimum is [DML-8]


@pytest.mark.parametrize("seed", range(5))
def test_of_both_hinges_one_is_zero_in_every_row(seed: int) -> None:
    """J_m J_adv = 0: J_adv acts on exactly the rows that teach the metric nothing."""
    model, data = drawn(seed)
    network, loss = build({**CONFIGS["nearkin"], "w_syn": 1.0}, model)
    features = network.features(images_of(data))
    a, p, n = triplet_rows().flat(features)
    made = loss.generate(a, p, n)
    hinges = []
    for i in range(6):
        row = slice(i, i + 1)
        one = type(made)(made.made[row], made.negative[row], made.partner[row], None)
        adversarial = loss.negative_terms(a[row], p[row], n[row], one, network.metric)
        ends = [network.metric(x[row])[None] for x in (a, p)]
        metric = metric_term(loss.base, *ends, network.metric(made.negative[row])[None, :, None])
        hinges.append((float(adversarial.adversarial.detach()), float(metric.value.detach())))
        assert adversarial.active + metric.active == 1
    assert all(min(pair) == 0 < max(pair) for pair in hinges)


CASES = [
    {"anchor_negative": an, "anchor_positive": ap, "lambda1": l1, "lambda2": l2, "margin": m}
    for an, ap, l1, l2, m in [(2.0, 0.3, 1.0, 50.0, 1.0), (9.0, 0.3, 1.0, 50.0, 0.2), (9.0, 0.3, 1.0, 1.0, 0.2),
                              (2.0, 0.1, 2.0, 50.0, -0.3), (4.0, 1.0, 3.0, 5.0, 0.1), (1.0, 0.2, 0.0, 0.0, 0.2)]
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_best_share_is_that_of_a_grid(case: dict[str, float]) -> None:
    grid = np.linspace(0, 1, 20001)
    values = [
        oracle.segment_objective(
            t, case["anchor_negative"], case["anchor_positive"], case["lambda1"], case["lambda2"], case["margin"]
        )
        for t in grid
    ]
    assert abs(best_share(**case) - grid[int(np.argmin(values))]) < 1e-4


@with_vectors
def test_published_shares() -> None:
    for entry in VECTORS["segment_closed_form"]:
        arguments = [entry[key] for key in ("d_an_sq", "d_ap_sq", "lambda1", "lambda2", "alpha_signed")]
        t = best_share(arguments[0], arguments[1], lambda1=arguments[2], lambda2=arguments[3], margin=arguments[4])
        np.testing.assert_allclose(t, entry["t_star"], **CLOSE)
        np.testing.assert_allclose(oracle.segment_objective(t, *arguments), entry["loss"], **CLOSE)


def test_a_trained_generator_without_the_hinge_gives_the_known_mixture() -> None:
    """J_hard + lambda1 J_reg, squared: g = (a + lambda1 n)/(1 + lambda1)."""
    generator = torch.Generator().manual_seed(0)
    a, p, n = (torch.randn(8, 4, generator=generator, dtype=torch.float64) for _ in range(3))
    loss = Adversarial(lambda1=3.0, lambda2=0.0, generator="plain")
    g = n.clone().requires_grad_()
    made = type("G", (), {"made": g, "negative": g, "partner": p, "positive": None})
    total = loss.negative_terms(a, p, n, made, lambda x: x).total
    slope = torch.autograd.grad(total, g)[0]
    best = n - slope * len(g) / (2 * (1 + 3.0))  # Newton's step of a quadratic
    torch.testing.assert_close(best, (a + 3 * n) / 4)
