"""Every kind of run becomes a model that gives the run's own embeddings, in the space that it is searched in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from nearkin.comparison import check_recipe, compare
from nearkin.comparison.model_folder import embedder_of, find_run, keep_model, run_to_keep
from nearkin.comparison.runs import Run
from nearkin.comparison.study import Study
from nearkin.comparison.working import planned_runs
from nearkin.core import InputError
from nearkin.distances import make_distance

METHODS = [
    {"name": "plain", "loss": "contrastive"},
    {"name": "learned", "loss": {"name": "triplet", "distance": {"name": "mahalanobis", "rank": 3}}},
    {"name": "snr", "loss": {"name": "triplet", "distance": {"name": "snr", "eps": 1e-6}}},
    {"name": "joint", "loss": "joint"},
    {"name": "proxies", "loss": "proxy-anchor"},
    {"name": "metric network", "loss": {"name": "adversarial", "base": "triplet"}},
    {"name": "behind", "loss": "triplet", "estimator": "lmnn"},
    {"name": "of pixels", "estimator": "inverse-covariance"},
]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    recipe = check_recipe(
        {
            "name": "kinds",
            "data": {"name": "digits", "limit_per_class": 12},
            "network": {"embedding_size": 4, "layers": [{"kind": "conv", "kernel_h": 3, "kernel_w": 3, "pool_h": 2, "pool_w": 2, "filters": 2}]},
            "training": {"steps": 3, "classes_per_batch": 3, "images_per_class": 2, "validate_every": 3},
            "evaluation": {"clustering": False},
            "methods": METHODS,
            "seeds": 1,
        }
    )
    return compare(recipe, tmp_path_factory.mktemp("kinds") / "study").study


def run_of(study: Study, name: str) -> Run:
    return next(run for run in planned_runs(study) if run.method.name == name)


def opened(study: Study, places: np.ndarray) -> list[np.ndarray]:
    return [np.moveaxis(study.images.pixels[place], 0, 2) for place in places]


@pytest.mark.parametrize("name", [*(method["name"] for method in METHODS), "untrained"])
def test_the_model_gives_the_runs_embeddings(study: Study, name: str) -> None:
    run = run_of(study, name)
    made = embedder_of(study, run)
    rows = made.embed(opened(study, study.splits[run.protocol].test))
    kept = np.load(run.folder / "embeddings.npy")
    record = json.loads((run.folder / "run.json").read_text())
    if name == "learned":  # what is kept of a learned distance is projected already
        assert np.abs(rows - kept).max() < 1e-5
        return
    distance = make_distance(record["distance"], **record["distance_options"])
    wanted = distance(torch.from_numpy(kept)).numpy()
    found = made.space.distances(rows, rows)
    assert np.abs(found - wanted).max() < 1e-4 * max(1, np.abs(wanted).max())


def test_a_run_is_found_by_its_folder_and_its_study_asked_which(study: Study) -> None:
    run = run_of(study, "joint")
    again, found = find_run(run.folder)
    assert found == run
    assert embedder_of(again, found).fingerprint == embedder_of(study, run).fingerprint
    assert embedder_of(study, run).name == "kinds-joint"
    with pytest.raises(InputError, match="study of 8 runs"):
        find_run(study.folder)


def test_what_has_no_model_is_refused(study: Study, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="compares the images as they are"):
        embedder_of(study, run_of(study, "pixels"))
    with pytest.raises(InputError, match="no run of a study"):
        find_run(tmp_path)
    with pytest.raises(InputError, match="holds no trained run"):
        find_run(study.folder / "runs" / "0123456789abcdef")


def test_damaged_and_missing_weights_are_refused(study: Study) -> None:
    run = run_of(study, "plain")
    path = run.folder / "network.safetensors"
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(InputError, match="missing or damaged"):
            embedder_of(study, run)
    finally:
        path.write_bytes(content)


def test_a_run_that_failed_has_no_model(study: Study) -> None:
    run = run_of(study, "snr")
    record = run.folder / "run.json"
    content = record.read_text()
    try:
        record.write_text(json.dumps({**json.loads(content), "status": "failed", "reason": "NaN"}))
        with pytest.raises(InputError, match="failed: NaN"):
            find_run(run.folder)
        record.unlink()
        with pytest.raises(InputError, match="is not finished"):
            find_run(run.folder)
    finally:
        record.write_text(content)


def test_the_first_run_is_kept_without_its_file_where_that_cannot_be_made(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    from nearkin.embedding import Embedder

    monkeypatch.setattr(Embedder, "export", lambda self: (_ for _ in ()).throw(InputError("cannot")))
    run = run_to_keep(study)
    assert run is not None
    kept = keep_model(study, run)
    assert kept.reason == "cannot" and kept.embedder.name == "kinds-plain"
    assert Embedder.load(study.folder).runner == "torch"
