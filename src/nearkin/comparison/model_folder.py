"""From a finished run to a model folder: its network, distance and estimator with the weights that the run keeps."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from nearkin.comparison.building import build_loss, build_network
from nearkin.comparison.embedded import Trained, searched_by
from nearkin.comparison.fitting import FILE as ESTIMATOR
from nearkin.comparison.frozen import build_backbone
from nearkin.comparison.runs import RECORD, Run
from nearkin.comparison.study import Study, input_shape
from nearkin.comparison.study_folder import reopen
from nearkin.comparison.working import planned_runs
from nearkin.core import InputError, derived_seed, need
from nearkin.data import Standardisation
from nearkin.embedding import Embedder, Preprocessing
from nearkin.embedding.keeping import Kept, keep
from nearkin.embedding.linear_map import LinearMap
from nearkin.generation import Adversarial

NETWORK, LOSS, TRAINING = "network.safetensors", "loss.safetensors", "training.json"


def find_run(folder: Path) -> tuple[Study, Run]:
    """The study and the run of a run's folder, or of the folder of a study with a single trained run.

    The study's images are opened again, because the model carries the hashes of those it was trained on.
    Errors: InputError for another folder, a run that is not finished or failed, and a study with several runs
    """
    if (folder / "study.json").is_file():
        study = reopen(folder)
        runs = [run for run in planned_runs(study) if run.method.kind in ("trained", "fitted")]
        if len(runs) > 1:
            listed = "".join(f"\n  {run.folder}  ({run.name})" for run in runs)
            raise InputError(f"{folder} is a study of {len(runs)} runs; name one of their folders:{listed}")
        found = runs[0] if runs else None
    else:
        if folder.parent.name != "runs" or not (folder.parent.parent / "study.json").is_file():
            raise InputError(f"{folder} is no run of a study, no study and no model folder")
        study = reopen(folder.parent.parent)
        found = next((run for run in planned_runs(study) if run.key == folder.name), None)
    if found is None:
        raise InputError(f"{folder} holds no trained run that its study still has")
    record = found.record()
    if record is None or record.get("status") != "done":
        reason = "is not finished" if record is None else f"failed: {record.get('reason')}"
        raise InputError(f"{found.folder} ({found.name}) {reason}; there is no model in it")
    return study, found


def run_to_keep(study: Study) -> Run | None:
    """The one trained run of a study, of several protocols that of the first; None where it failed."""
    run = next((run for run in planned_runs(study) if run.method.kind in ("trained", "fitted")), None)
    return None if run is None or (run.record() or {}).get("status") != "done" else run


def keep_model(study: Study, run: Run) -> Kept:
    """The run's model in the study's folder, with an ONNX file where it can be made."""
    return keep(embedder_of(study, run), study.folder / "model")


def embedder_of(study: Study, run: Run) -> Embedder:
    """The model of a finished run, run by torch, with the hashes of all images that training or validation has seen.

    Errors:  InputError for raw pixels, which are no model, and where the run's weights are missing or damaged
    """
    images, split, recipe = study.images, study.splits[run.protocol], study.recipe
    if run.method.kind == "pixels":
        raise InputError(f"{run.name} compares the images as they are; there is no model in it")
    trained = _with_weights(study, run)
    parts: list[nn.Module] = [build_backbone(recipe.network["backbone"])] if recipe.frozen else []
    parts += [trained.network] if trained.network is not None else []
    parts += [LinearMap.of(*_estimator(run))] if run.method.estimator else []
    seen = np.concatenate([split.train, split.validation])
    return Embedder.from_network(
        parts,
        distance=searched_by(run, trained),
        input=Preprocessing.of(images, pad=bool(recipe.data.get("pad"))),
        trained_on=frozenset(images.hashes[image] for image in seen),
        name=f"{recipe.name}-{run.method.name}",
        origin=_origin(study, run),
    )


def _with_weights(study: Study, run: Run) -> Trained:
    """The run's network and loss, its weights read back."""
    images, split, recipe = study.images, study.splits[run.protocol], study.recipe
    if run.method.kind in ("features", "fitted"):
        return Trained(fitted=_as_fitted(run))
    shape = input_shape(recipe, images)
    if run.method.kind == "untrained":
        return Trained(build_network(recipe, run.method, shape, run.seed, study.scale(run.protocol), study.axes(run.protocol)))
    plain = Standardisation((0.0,) * shape[0], (1.0,) * shape[0])
    network = build_network(recipe, run.method, shape, run.seed, plain)
    loss = build_loss(
        run.method.loss,
        dimensions=recipe.network["embedding_size"],
        classes=len(np.unique(images.labels[split.train])),
        seed=derived_seed(run.seed, "loss"),
    )
    if isinstance(loss, Adversarial):
        network = loss.network(network, recipe.network["embedding_size"])
    for module, name in ((network, NETWORK), (loss, LOSS)):
        weights = _weights(run.folder, name)
        missing = [] if weights is None else module.load_state_dict(weights, strict=False).missing_keys
        if missing:  # more than is asked for may be there: a loss may keep what it saw of the classes
            raise InputError(f"{run.folder / name} lacks {', '.join(missing[:3])}; make the run again")
    return Trained(network, loss, fitted=_as_fitted(run))


def _weights(folder: Path, name: str) -> dict[str, Any] | None:
    """The tensors of one file of a run, its checksum tested; None for a loss without weights."""
    digests = json.loads((folder / TRAINING).read_text("utf-8"))["sha256"] if (folder / TRAINING).is_file() else {}
    if name not in digests:
        if name == NETWORK:
            raise InputError(f"{folder} has no weights: {TRAINING} is missing or does not name {NETWORK}")
        return None
    path = folder / name
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digests[name]:
        raise InputError(f"{path} is missing or damaged: its SHA-256 is not the one in {TRAINING}; make the run again")
    tensors: dict[str, Any] = need("safetensors.torch", extra="train", purpose="reading weights").load(path.read_bytes())
    return tensors


def _as_fitted(run: Run) -> Any:
    from nearkin.comparison.fitting import Fitted

    return Fitted(*_estimator(run)) if run.method.estimator else None


def _estimator(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Mean and factor of the run's estimator."""
    path = run.folder / ESTIMATOR
    if not path.is_file():
        raise InputError(f"{path} is missing; make the run again")
    tensors = need("safetensors.numpy", extra="train", purpose="reading what an estimator learned").load(path.read_bytes())
    return tensors["mean"], tensors["factor"]


def _origin(study: Study, run: Run) -> dict[str, Any]:
    images = study.images
    backbone = study.recipe.network.get("backbone")
    about: dict[str, Any] = {
        "data": {"name": images.name, "hash": images.data_hash, "images": len(images), "classes": len(images.classes)},
        "recipe": {"name": study.recipe.name, "method": run.method.name, **run.method.settings()},
        "run": {"key": run.key, "protocol": run.protocol, "seed": run.seed, "record": RECORD},
        "licence": "that of the images it was trained on",
    }
    if backbone:
        about["backbone"] = {"name": backbone["name"], "weights": Path(str(backbone["weights"])).name}
        about["licence"] += ", and of the pretrained weights it started from"
    return about
