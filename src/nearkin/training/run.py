"""A run between two steps: all that a checkpoint keeps, and nothing else."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from nearkin.generation import COLUMNS as GENERATION_COLUMNS
from nearkin.generation import Adversarial, WithMetricNetwork
from nearkin.training import generated_groups
from nearkin.training.health import Health
from nearkin.training.history import COLUMNS, History, as_columns
from nearkin.training.identity import weights_hash
from nearkin.training.plan import TrainingPlan
from nearkin.training.step import make_optimizer, optimizer_groups
from nearkin.training.stopwatch import shares
from nearkin.training.unfreezing import Stages, Unfreezing, unfreeze

States = dict[str, dict[str, Any]]


class Run:
    """The state of a run after `step` steps: weights, optimiser, place in the batches, curves, the best so far.

    No random state is among it: every stream is seeded anew at each step from (seed, step), so the number of the
    step is the random state.
    """

    def __init__(self, network: nn.Module, loss: nn.Module, plan: TrainingPlan) -> None:
        self.network, self.loss, self.plan = network, loss, plan
        if isinstance(loss, Adversarial) and isinstance(network, WithMetricNetwork):
            groups = generated_groups.optimizer_groups(network, loss, plan)
        else:
            groups = optimizer_groups(network, loss, plan)
        self.optimizer = make_optimizer(groups, plan)
        self.health = Health(plan.steps)
        self.stages = Stages(plan.unfreeze if isinstance(plan.unfreeze, Unfreezing) else None)
        self.step = 0
        self.epoch = 0
        self.position = 0
        more = GENERATION_COLUMNS if isinstance(loss, Adversarial) else ()
        self.rows: dict[str, list[float]] = {name: [] for name in (*COLUMNS, *more)}
        self.best_step = 0
        self.best_validation: float | None = None
        self.best_weights: States | None = None
        self.validations_since_best = 0
        self.notes: list[str] = []
        self.seconds = 0.0
        self.spent: dict[str, float] = {}

    @property
    def stopped(self) -> str | None:
        """Why the run is over, or None while it goes on."""
        patience = None if self.stages.frozen else self.plan.patience
        if patience is not None and self.validations_since_best >= patience:
            return "patience"
        return "budget" if self.step >= self.plan.steps else None

    def validated(self, value: float) -> None:
        """Keep the weights when `value` is larger than every one before it."""
        self.rows["validation"][-1] = value
        self.stages.validated(value)
        if self.best_validation is None or value > self.best_validation:
            self.best_step, self.best_validation, self.validations_since_best = self.step, value, 0
            self.best_weights = {name: _copied(state) for name, state in self._states().items()}
        else:
            self.validations_since_best += 1

    def unfreeze_when_due(self) -> list[str]:
        """Begin the second stage where the first is over; what is to be said about it."""
        why = self.stages.reason(self.step)
        if why is None or self.step >= self.plan.steps:
            return []
        self._unfreeze(self.step)
        self.validations_since_best = 0
        return [
            f"step {self.step}: the backbone was unfrozen, since {why}; learning rate {self.plan.second_rates()[0]:g}"
        ]

    def take_best(self) -> None:
        """Give network and loss their best weights: by validation, or the last ones without it."""
        if self.best_weights is None:
            self.best_step = self.step
        else:
            self._load_states(self.best_weights)

    def is_finite(self) -> bool:
        """Whether every number of network and loss, buffers among them, is finite."""
        tensors = [value for state in self._states().values() for value in state.values() if isinstance(value, Tensor)]
        return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)

    def weights_hash(self) -> str:
        """The hash of the present weights of network and loss."""
        return weights_hash(self.network.state_dict(), self.loss.state_dict())

    def history(self) -> History:
        """The record so far."""
        return History(
            curves=as_columns(self.rows),
            best_step=self.best_step,
            best_validation=self.best_validation,
            stopped=self.stopped or "failure",
            notes=tuple(self.notes),
            seconds=self.seconds,
            shares=shares(self.spent),
            unfrozen_at=self.stages.unfrozen_at,
        )

    def record(self, **values: float | None) -> None:
        """Add a step to the curves; what is None or not given is NaN."""
        for name, column in self.rows.items():
            value = values.get(name)
            column.append(math.nan if value is None else value)

    def state_dict(self) -> dict[str, Any]:
        """Everything, for a checkpoint: tensors and plain values."""
        return {
            "step": self.step,
            "epoch": self.epoch,
            "position": self.position,
            "weights": self._states(),
            "optimizer": self.optimizer.state_dict(),
            "curves": {name: torch.tensor(values, dtype=torch.float64) for name, values in self.rows.items()},
            "best_step": self.best_step,
            "best_validation": self.best_validation,
            "best_weights": self.best_weights,
            "validations_since_best": self.validations_since_best,
            "health": self.health.state(),
            "stages": self.stages.state(),
            "notes": list(self.notes),
            "seconds": self.seconds,
            "spent": dict(self.spent),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.step, self.epoch, self.position = state["step"], state["epoch"], state["position"]
        self.stages.load(state.get("stages", {}))
        if self.stages.unfrozen_at is not None:
            self._unfreeze(self.stages.unfrozen_at)
        self._load_states(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rows = {name: values.tolist() for name, values in state["curves"].items()}
        self.best_step, self.best_validation = state["best_step"], state["best_validation"]
        self.best_weights = state["best_weights"]
        self.validations_since_best = state["validations_since_best"]
        self.health.load(state["health"])
        self.notes = list(state["notes"])
        self.seconds, self.spent = state["seconds"], dict(state.get("spent", {}))

    def _unfreeze(self, step: int) -> None:
        self.stages.unfrozen_at = step
        rates, decay = self.plan.second_rates(), self.plan.weight_decay
        unfreeze(self.network, self.optimizer, step, rates=rates, weight_decay=decay)

    def _states(self) -> States:
        return {"network": dict(self.network.state_dict()), "loss": dict(self.loss.state_dict())}

    def _load_states(self, states: States) -> None:
        self.network.load_state_dict(states["network"])
        self.loss.load_state_dict(states["loss"])


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value.clone() if isinstance(value, Tensor) else value for name, value in state.items()}
