"""The switches of generated negatives, checked, and the three published ways of setting them [DML-11]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any

from nearkin.core import InputError, choice, flag, integer, non_negative, pick, positive, within

GRADIENTS = ("three steps", "joint")
GENERATORS = ("residual", "plain", "plain-relu", "segment")


@dataclass(frozen=True, kw_only=True)
class GenerationSettings:
    """All switches of DML-11; defaults are the preset `nearkin`.

    gradients:            "three steps" [DML-9]: metric, negative generator, positive generator, each by its own loss;
                          "joint": one sum for all, nothing stopped
    squared:              squares in J_hard, J_reg, J_adv, J_gen+; without them lambda1 below 1 collapses to the anchor
                          and is refused [DML-8.2]
    factor:               c of the hinges [DML-3, DML-4], 1 or 1/2
    margin:               alpha of J_adv. Well below the typical D(a, n)^2 / 4, or J_adv is 0 for ever [DML-8.4]
    lambda1:              weight of J_reg; lambda1_positive that of J_reg+; lambda2 that of J_adv
    metric_weight:        of J_m. Adam ignores the scale of the only loss that a group receives
    w_generated:          w of J_m = (1 - w) J_real + w J_generated; 0 is the control: real negatives alone
    synthetic_positive:   q = G+(a, p, n) stands for p in the input of G- [DML-10]
    adversarial_positive: "real" or "synthetic" p in J_adv
    average_positive:     q = (p + g+)/2 before G-; average_negative: (n + g)/2 for g in J_adv and J_m
    adversarial_margin_sign: -1; +1 as document 003 prints it, which drives g to the anchor [DML-8.5]
    normalize_features, normalize_embeddings: rows of length 1 out of F, and out of W
    generator:            "residual" starts at the real negative; "plain"; "plain-relu" with a closing ReLU;
                          "segment": a + segment (n - a) with no network, which a learned generator must beat
    segment:              t of generator="segment"
    cnn_rate, generator_rate: learning rates of F (after pretraining) and of the generators, relative to the plan's
    pretraining:          share of the steps without generated negatives; pretraining_on "features" trains F alone
    reduction:            "mean" or "sum" over rows of J_hard, J_reg, J_adv, J_gen+
    max_generated:        most rows that a batch generates; None: all that the base loss asks for

    Errors: InputError naming the switch, what was given and what is allowed
    """

    gradients: str = "three steps"
    squared: bool = True
    factor: float = 1.0
    margin: float = 0.2
    lambda1: float = 3.0
    lambda1_positive: float = 3.0
    lambda2: float = 1.0
    metric_weight: float = 1.0
    w_generated: float = 0.5
    synthetic_positive: bool = False
    adversarial_positive: str = "real"
    average_positive: bool = False
    average_negative: bool = False
    adversarial_margin_sign: int = -1
    normalize_features: bool = True
    normalize_embeddings: bool = True
    generator: str = "residual"
    segment: float = 0.5
    cnn_rate: float = 1.0
    generator_rate: float = 1.0
    pretraining: float = 0.25
    pretraining_on: str = "embeddings"
    reduction: str = "mean"
    max_generated: int | None = None

    def __post_init__(self) -> None:
        choice("gradients", self.gradients, GRADIENTS)
        choice("generator", self.generator, GENERATORS)
        choice("adversarial_positive", self.adversarial_positive, ("real", "synthetic"))
        choice("pretraining_on", self.pretraining_on, ("embeddings", "features"))
        choice("reduction", self.reduction, ("mean", "sum"))
        for name in FLAGS:
            flag(name, getattr(self, name))
        for name in ("factor", "margin", "metric_weight", "generator_rate"):
            positive(name, getattr(self, name))
        for name in ("lambda1", "lambda1_positive", "lambda2", "cnn_rate"):
            non_negative(name, getattr(self, name))
        for name in ("w_generated", "segment", "pretraining"):
            within(name, getattr(self, name), 0, 1)
        if self.max_generated is not None:
            integer("max_generated", self.max_generated, minimum=1)
        if self.adversarial_margin_sign not in (-1, 1):
            raise InputError(f"adversarial_margin_sign must be -1 or 1, got {self.adversarial_margin_sign!r}")
        self._refuse_what_collapses()
        self._refuse_what_does_not_meet()

    def _refuse_what_collapses(self) -> None:
        for name, on in (("lambda1", True), ("lambda1_positive", self.synthetic_positive)):
            if on and self.generator != "segment" and not self.squared and getattr(self, name) < 1:
                raise InputError(
                    f"without squares the generator's best answer for {name} below 1 is the anchor itself, got "
                    f"{getattr(self, name):g}: use squared=True, or {name} of at least 1"
                )

    def _refuse_what_does_not_meet(self) -> None:
        if self.synthetic_positive and self.generator == "segment":
            raise InputError("generator='segment' reads no positive: set synthetic_positive to false")
        if not self.synthetic_positive:
            if self.adversarial_positive == "synthetic":
                raise InputError("adversarial_positive='synthetic' needs synthetic_positive=True")
            if self.average_positive:
                raise InputError("average_positive=True needs synthetic_positive=True")

    def words(self) -> str:
        """The settings on one line, as keywords."""
        return ", ".join(f"{name}={value!r}" for name, value in asdict(self).items())


FLAGS = tuple(field.name for field in fields(GenerationSettings) if field.type == "bool")

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "daml": {
            "gradients": "joint",
            "factor": 0.5,
            "margin": 1.0,
            "lambda1": 1.0,
            "w_generated": 1.0,
            "normalize_embeddings": False,
            "generator": "plain-relu",
            "cnn_rate": 0.001,
            "generator_rate": 0.1,
            "pretraining": 0.2,
            "pretraining_on": "features",
        },
        "dgm": {
            "squared": False,
            "margin": 0.1,
            "lambda1": 1.0,
            "lambda1_positive": 1.0,
            "lambda2": 50.0,
            "metric_weight": 100.0,
            "w_generated": 1.0,
            "synthetic_positive": True,
            "average_positive": True,
            "average_negative": True,
            "normalize_features": False,
            "generator": "plain",
            "cnn_rate": 0.0,
            "pretraining": 0.1,
            "pretraining_on": "features",
        },
        "nearkin": {},
    }
)
"""Presets by name: `daml` as its authors' code (one joint objective), `dgm` as the code of document 003, and ours."""


def make_settings(preset: str = "nearkin", **switches: Any) -> GenerationSettings:
    """The preset with `switches` changed; a switch that is None is the preset's.

    >>> make_settings("dgm", lambda2=1.0).lambda2
    1.0
    """
    given = {name: value for name, value in switches.items() if value is not None}
    return GenerationSettings(**{**pick("preset", PRESETS, preset), **given})
