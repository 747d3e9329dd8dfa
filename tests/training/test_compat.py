"""Files of every format ever written are still read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nearkin.losses import Triplet
from nearkin.networks import Network
from nearkin.training import TrainingPlan
from nearkin.training.checkpoint import read_checkpoint
from nearkin.training.outcome import read_outcome
from nearkin.training.run import Run

COMPAT = Path(__file__).parents[1] / "compat"


@pytest.mark.parametrize("version", [1])
def test_the_outcome_of_an_earlier_version_is_read(version: int) -> None:
    folder = COMPAT / f"training-{version}"
    identity = json.loads((folder / "training.json").read_text())["identity"]
    network = Network(1, 2, 1, 1, seed=5)
    history, damaged = read_outcome(folder, network, Triplet(), identity)
    assert not damaged
    assert history is not None
    assert (history.steps, history.best_step, history.stopped) == (3, 3, "budget")
    assert history.curves["step"].tolist() == [1, 2, 3]
    assert np.isnan(history.curves["validation"]).tolist() == [True, False, False]
    assert network.output.bias.item() == pytest.approx(history.best_validation)


@pytest.mark.parametrize("version", [1])
def test_the_checkpoint_of_an_earlier_version_is_read(version: int) -> None:
    content, damaged = read_checkpoint(COMPAT / f"training-{version}-interrupted")
    assert not damaged
    assert content is not None
    plan = TrainingPlan(steps=3, classes_per_batch=2, images_per_class=2, validate_every=2)
    run = Run(Network(1, 2, 1, 1, seed=5), Triplet(), plan)
    run.load_state_dict(content["run"])
    assert (run.step, run.best_step, run.stopped) == (2, 2, None)
    assert run.network.output.bias.item() == pytest.approx(run.best_validation)
