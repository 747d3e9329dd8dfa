"""Generated hard negatives, row by row [DML-2..4, DML-10], and what stands beside them [DML-8, DML-16].

A model is a dictionary of weights: F_w, F_b; W1, b1, W2, b2; A1, c1, A2, c2 (G-); B1, e1, B2, e2 (G+). A configuration is
a dictionary of switches: squared, reduction, half, alpha, alpha_pair, adv_sign, adv_pos, syn_pos, avg_pos, avg_neg,
norm_feat, norm_emb, final_relu, residual, lambda1, lambda1_pos, lambda2, lambda_m, w_syn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oracles.arithmetic import Number, hinge, log_sum_exp, real, root, softplus, square
from oracles.distances import Vector, squared_euclidean, unit

Model = Mapping[str, Any]
Config = Mapping[str, Any]

GROUPS = {
    "cnn": ("F_w", "F_b"),
    "metric": ("W1", "b1", "W2", "b2"),
    "gneg": ("A1", "c1", "A2", "c2"),
    "gpos": ("B1", "e1", "B2", "e2"),
}


def linear(weights: Sequence[Vector], bias: Vector, x: Vector) -> list[Number]:
    return [inner(row, x) + b for row, b in zip(weights, bias, strict=True)]


def inner(x: Vector, z: Vector) -> Number:
    return sum(a * b for a, b in zip(x, z, strict=True))


def still(value: Any) -> Any:
    """A constant: the real parts alone, whatever is nested."""
    return [still(one) for one in value] if isinstance(value, (list, tuple)) else real(value)


def feature(model: Model, config: Config, image: Vector) -> list[Number]:
    x = linear(model["F_w"], model["F_b"], image)
    return unit(x) if config["norm_feat"] else x


def embedded(model: Model, config: Config, x: Vector) -> list[Number]:
    y = linear(model["W2"], model["b2"], [hinge(v) for v in linear(model["W1"], model["b1"], x)])
    return unit(y) if config["norm_emb"] else y


def generator(model: Model, names: str, config: Config, a: Vector, q: Vector, n: Vector) -> list[Number]:
    """g of three features, standing for n (G-) or for q (G+); `names` "A1 c1 A2 c2" or "B1 e1 B2 e2"."""
    first, shift, second, last = (model[name] for name in names.split())
    made = linear(second, last, [hinge(v) for v in linear(first, shift, [*a, *q, *n])])
    if config["final_relu"]:
        return [hinge(v) for v in made]
    if config["residual"]:
        base = n if names.startswith("A") else q
        length = root(sum(square(v) for v in base))
        return [v * length for v in unit([x + v for x, v in zip(base, made, strict=True)])]
    return made


def generated(model: Model, config: Config, a: Vector, p: Vector, n: Vector) -> dict[str, list[Number]]:
    """g, the g of J_adv and J_m, q, and g+ before averaging."""
    q = made = list(p)
    if config["syn_pos"]:
        made = generator(model, "B1 e1 B2 e2", config, a, p, n)
        q = [(x + v) / 2 for x, v in zip(p, made, strict=True)] if config["avg_pos"] else made
    g = generator(model, "A1 c1 A2 c2", config, a, q, n)
    seen = [(x + v) / 2 for x, v in zip(n, g, strict=True)] if config["avg_neg"] else g
    return {"made": g, "seen": seen, "q": q, "positive": made}


def length(config: Config, x: Vector, z: Vector) -> Number:
    squared = squared_euclidean(x, z)
    return squared if config["squared"] else root(squared)


def mean(config: Config, values: Sequence[Number]) -> Number:
    return sum(values) / (1 if config["reduction"] == "sum" else len(values))


def terms(
    model: Model,
    config: Config,
    anchors: Sequence[Vector],
    positives: Sequence[Vector],
    negatives: Sequence[Vector],
    pairs: int,
    step: str | None = None,
) -> dict[str, Number]:
    """Every term of a batch of images in triplets; the first `pairs` anchors and positives are N-pair input.

    step: None, nothing stopped; "s1": generated features are constants; "s2": all but G- are; "s3": all but G+ are
    """
    if step in ("s2", "s3"):
        kept = GROUPS["gneg" if step == "s2" else "gpos"]
        model = {name: value if name in kept else still(value) for name, value in model.items()}
    constant = still if step == "s1" else list
    frozen = {name: still(value) for name, value in model.items()} if step == "s1" else model
    half = 0.5 if config["half"] else 1.0
    rows = [[feature(model, config, image) for image in row] for row in zip(anchors, positives, negatives, strict=True)]

    def made(a: Vector, p: Vector, n: Vector) -> dict[str, list[Number]]:
        return generated(frozen, config, constant(a), constant(p), constant(n))

    found = [made(*row) for row in rows]
    y = [[embedded(model, config, x) for x in row] for row in rows]
    y_seen = [embedded(model, config, one["seen"]) for one in found]
    near = mean(config, [length(config, one["made"], a) for one, (a, _, _) in zip(found, rows, strict=True)])
    regular = mean(config, [length(config, one["made"], n) for one, (_, _, n) in zip(found, rows, strict=True)])
    references = [
        embedded(model, config, one["q"]) if config["adv_pos"] == "syn" else p
        for one, (_, p, _) in zip(found, y, strict=True)
    ]
    adversarial = [
        hinge(length(config, g, a) - length(config, p, a) + config["adv_sign"] * config["alpha"])
        for g, (a, _, _), p in zip(y_seen, y, references, strict=True)
    ]
    triplets = [
        [hinge(length(config, a, p) - length(config, a, other) + config["alpha"]) for (a, p, _), other in zip(y, side)]
        for side in (y_seen, [n for _, _, n in y])
    ]
    out: dict[str, Number] = {"J_hard": near, "J_reg": regular, "J_adv": half * mean(config, adversarial)}
    out["J_gen"] = near + config["lambda1"] * regular + config["lambda2"] * out["J_adv"]
    if config["syn_pos"]:
        plus = [(one["positive"], *row) for one, row in zip(found, rows, strict=True)]
        out["J_hard_pos"] = mean(config, [length(config, g, a) for g, a, _, _ in plus])
        out["J_reg_pos"] = mean(config, [length(config, g, p) for g, _, p, _ in plus])
        out["J_gen_pos"] = out["J_hard_pos"] + config["lambda1_pos"] * out["J_reg_pos"]
    out["Jm_triplet"], out["Jm_triplet_real"] = (half * mean(config, side) for side in triplets)
    share = config["w_syn"]
    out["Jm_mix"] = config["lambda_m"] * ((1 - share) * out["Jm_triplet_real"] + share * out["Jm_triplet"])
    d = [[root(squared_euclidean(a, p)), root(squared_euclidean(a, g))] for (a, p, _), g in zip(y, y_seen, strict=True)]
    pulls = [square(ap) + square(hinge(config["alpha_pair"] - ag)) for ap, ag in d]
    out["Jm_contrastive"] = mean(config, pulls) / 2

    def seen(a: Vector, p: Vector, n: Vector) -> list[Number]:
        return embedded(model, config, made(a, p, n)["seen"])

    out["Jm_npair"], out["Jm_lifted"] = 0.0, 0.0
    for i in range(pairs):
        (a, p, _), (ya, yp, _) = rows[i], y[i]
        others = [j for j in range(pairs) if j != i]
        scores = [inner(ya, seen(a, p, rows[j][1])) - inner(ya, yp) for j in others]
        out["Jm_npair"] += softplus(log_sum_exp(scores)) / pairs
        crowd = []
        for j in others:
            for x in rows[j][:2]:
                crowd.append(config["alpha_pair"] - root(squared_euclidean(ya, seen(a, p, x))))
                crowd.append(config["alpha_pair"] - root(squared_euclidean(yp, seen(p, a, x))))
        out["Jm_lifted"] += square(hinge(log_sum_exp(crowd) + root(squared_euclidean(ya, yp)))) / (2 * pairs)
    return out


def segment_objective(t: float, d_an: float, d_ap: float, lambda1: float, lambda2: float, alpha: float) -> float:
    """J_gen of g = a + t (n - a) under an isometric W, from squared distances."""
    return t * t * d_an + lambda1 * (1 - t) ** 2 * d_an + lambda2 * max(t * t * d_an - d_ap - alpha, 0.0)


def mirrored(x: Vector, axis: Vector) -> list[Number]:
    """2 <x, u> u - x, u the unit vector of the axis."""
    u = unit(axis)
    along = inner(x, u)
    return [2 * along * a - b for a, b in zip(u, x, strict=True)]


def symmetrical_points(a: Vector, p: Vector) -> list[list[Number]]:
    return [list(a), list(p), mirrored(p, a), mirrored(a, p)]


def expanded_points(a: Vector, p: Vector, count: int) -> list[list[Number]]:
    points = [list(a), list(p)]
    ends = [root(sum(square(v) for v in x)) for x in (a, p)]
    for k in range(1, count + 1):
        share = k / (count + 1)
        between = [x * share + z * (1 - share) for x, z in zip(a, p, strict=True)]
        size = ends[0] * share + ends[1] * (1 - share)
        points.append([v * size for v in unit(between)])
    return points


def set_distance(pair: Any, first: Sequence[Vector], second: Sequence[Vector]) -> Number:
    """The least distance between a point of one set and a point of the other."""
    return min((pair(u, v) for u in first for v in second), key=real)


def sets_apart(
    pair: Any, ends: Sequence[tuple[Vector, Vector]], sets: Sequence[Sequence[Vector]]
) -> list[list[Number]]:
    """d[i][i] = d(a_i, p_i), real; d[i][j] the least distance between the points of pairs i and j."""
    count = range(len(ends))
    return [[pair(*ends[i]) if i == j else set_distance(pair, sets[i], sets[j]) for j in count] for i in count]
