"""Two stages: a head on a frozen backbone until the validation stands still, then both, at a rate of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nearkin.core import InputError, integer, non_negative, positive


@dataclass(frozen=True, kw_only=True)
class Unfreezing:
    """When a backbone that is frozen at first is trained too, and how fast.

    patience:       validations in a row without a better one that end the first stage. 5 [002, METHODS 15]
    relative:       how much larger than the best so far a validation has to be to count as better, as a share of that
                    best's size. 0.001
    learning_rate:  of the whole network from then on; None: a tenth of the plan's
    latest:         the first stage has at most so many steps, whatever the validation says; None: no limit

    Errors: InputError naming the setting, what was given and what is allowed
    Source: document 002 (a frozen backbone until the loss stands still, then unfrozen)
    """

    patience: int = 5
    relative: float = 1e-3
    learning_rate: float | None = None
    latest: int | None = None

    def __post_init__(self) -> None:
        integer("patience", self.patience, minimum=1)
        non_negative("relative", self.relative)
        if self.learning_rate is not None:
            positive("learning_rate", self.learning_rate)
        if self.latest is not None:
            integer("latest", self.latest, minimum=1)


class Stages:
    """How far the first stage of a run has come. Without an `Unfreezing` there is one stage, from the first step."""

    def __init__(self, plan: Unfreezing | None) -> None:
        self.plan = plan
        self.best: float | None = None
        self.waited = 0
        self.unfrozen_at: int | None = None

    @property
    def frozen(self) -> bool:
        """Whether the backbone is not trained at present."""
        return self.plan is not None and self.unfrozen_at is None

    def validated(self, value: float) -> None:
        """Count a validation of the first stage."""
        if self.plan is None or not self.frozen:
            return
        if self.best is None or value > self.best + self.plan.relative * abs(self.best):
            self.best, self.waited = value, 0
        else:
            self.waited += 1

    def reason(self, step: int) -> str | None:
        """Why the first stage ends after `step`, in words, or None while it goes on."""
        if self.plan is None or not self.frozen:
            return None
        if self.waited >= self.plan.patience:
            return (
                f"the validation has not grown by {self.plan.relative:.2%} of {self.best:.4g} "
                f"in {self.waited} validations".replace("%", " %")
            )
        return f"its {step} steps are over" if self.plan.latest is not None and step >= self.plan.latest else None

    def state(self) -> dict[str, Any]:
        """What a checkpoint must keep."""
        return {"best": self.best, "waited": self.waited, "unfrozen_at": self.unfrozen_at}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`; a checkpoint of a run without stages has none."""
        if state:
            self.best, self.waited, self.unfrozen_at = state["best"], state["waited"], state["unfrozen_at"]


def freeze(network: nn.Module, plan: Unfreezing, *, validated: bool) -> None:
    """Begin the first stage. Errors: InputError for a network without a backbone, and for a stage that cannot end."""
    backbone = backbone_of(network)
    if backbone is None:
        raise InputError(
            f"unfreeze is for a network whose backbone can be frozen, such as FineTuned(Backbone(...), "
            f"EmbeddingHead(...)); this one, {type(network).__name__}, has none. In a recipe: network.backbone with "
            "frozen: false"
        )
    if not validated and plan.latest is None:
        raise InputError(
            "unfreeze waits until the validation stands still, and nothing is validated here; give train a validate, "
            "or unfreeze a number of steps: latest"
        )
    backbone.freeze()


def unfreeze(
    network: nn.Module, optimizer: torch.optim.Optimizer, step: int, *, rates: tuple[float, float], weight_decay: float
) -> None:
    """Begin the second stage after `step`: the backbone joins the optimiser, and schedules begin anew.

    `rates` are those of the network and of the loss's own parameters, `weight_decay` that of the backbone's matrices. What
    the optimiser knows of the parameters that it had (Adam's moments) stays.
    """
    rate, own_rate = rates
    known = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    backbone_of(network).unfreeze()
    new = [each for each in network.parameters() if each.requires_grad and id(each) not in known]
    for group in optimizer.param_groups:
        group["base_rate"], group["since"] = (own_rate if group["role"] == "loss" else rate), step
    for params, decay in (([p for p in new if p.ndim > 1], weight_decay), ([p for p in new if p.ndim <= 1], 0.0)):
        if params:
            optimizer.add_param_group(
                {
                    "params": params,
                    "role": "network",
                    "base_rate": rate,
                    "lr": rate,
                    "since": step,
                    "weight_decay": decay,
                }
            )


def backbone_of(network: nn.Module) -> Any:
    """The part that can be frozen and unfrozen, or None."""
    backbone = getattr(network, "backbone", None)
    can = all(callable(getattr(backbone, name, None)) for name in ("freeze", "unfreeze"))
    return backbone if can else None
