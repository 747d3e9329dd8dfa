"""What defines a run: two calls with the same identity have the same result, bit for bit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nearkin.core import InputError, content_hash
from nearkin.networks import Network
from nearkin.training.plan import TrainingPlan

Identity = dict[str, Any]

LONGEST_SHOWN = 200
"""Characters up to which a differing value is shown in a message."""


def identity_of(
    network: nn.Module,
    loss: nn.Module,
    labels: np.ndarray[Any, Any],
    first_batch: Tensor,
    plan: TrainingPlan,
    data: str,
) -> Identity:
    """The plan's settings, the texts of network and loss, and hashes of the weights, the labels and the first batch."""
    return {
        **plan.settings(),
        "network": _words(network),
        "loss": _words(loss),
        "initial weights": weights_hash(network.state_dict(), loss.state_dict()),
        "images": len(labels),
        "labels": content_hash(np.ascontiguousarray(labels, np.int64).tobytes()),
        "first batch": tensor_hash({"images": first_batch}),
        "data": data,
    }


def weights_hash(network: Mapping[str, Any], loss: Mapping[str, Any]) -> str:
    """A hash over the tensors of two state_dicts."""
    return content_hash(tensor_hash(network), tensor_hash(loss))


def tensor_hash(tensors: Mapping[str, Any]) -> str:
    """A hash over names, kinds, shapes and bytes, in the order of the names."""
    parts: list[bytes | str] = []
    for name, tensor in sorted(tensors.items()):
        if isinstance(tensor, Tensor):
            parts += [name, str(tensor.dtype), str(tuple(tensor.shape)), tensor_bytes(tensor)]
    return content_hash(*parts)


def tensor_bytes(tensor: Tensor) -> bytes:
    """The numbers of a tensor of any kind, in row order."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def refuse_another(folder: Path, stored: Mapping[str, Any], given: Identity, current_weights: str) -> None:
    """Raise an InputError that shows every difference between the run in `folder` and the one asked for.

    A network that was not built anew but already has the run's `current_weights` (the same call made again in one
    session) is the same run.
    """
    differences = {name for name in {*stored, *given} if stored.get(name) != given.get(name)}
    if given["initial weights"] == current_weights:
        differences.discard("initial weights")
    if differences:
        shown = "; ".join(_difference(name, stored.get(name), given.get(name)) for name in sorted(differences))
        raise InputError(f"{folder} holds another run: {shown}. Use another folder, or delete this one")


def _difference(name: str, stored: object, given: object) -> str:
    if name == "initial weights":
        return "initial weights differ (build the network with the same seed)"
    if name == "labels":
        return "labels differ"
    if name == "first batch" or max(len(str(stored)), len(str(given))) > LONGEST_SHOWN:
        return f"{name} differs"
    return f"{name} was {stored}, now {given}"


def _words(module: nn.Module) -> str:
    """What the module is, on one line, without memory addresses, which change from one process to the next."""
    if isinstance(module, Network):
        return json.dumps(module.configuration())
    return re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(repr(module).split()))
