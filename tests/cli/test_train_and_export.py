"""`nearkin train FOLDER` ends with a model that is ready to use; `nearkin export` makes one of any run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cli.commands import QUICK, folder_of_digits, nearkin, refused
from nearkin.comparison.beside_training import descriptor_score
from nearkin.comparison.study_folder import reopen
from nearkin.core import MissingExtra
from nearkin.data import load_images, open_image
from nearkin.data.opening import image_hash
from nearkin.embedding import Embedder, embedder
from nearkin.evaluation import evaluate


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory):
    """A folder of images, the study that `nearkin train` made of it, and what it said."""
    place = tmp_path_factory.mktemp("train")
    images = folder_of_digits(place / "photos")
    result = nearkin("train", images, "--steps", 4, "--output", place / "study")
    assert result.exit_code == 0, result.output
    return images, place / "study", result


def test_a_folder_is_enough(trained) -> None:
    images, study, result = trained
    assert "multi-simil" in result.stdout and f"{study}/report.html" in result.stdout.replace("\n", "")
    assert "It answers without torch" in result.stdout
    assert "of the descriptor, which needs no training: 0." in result.stdout
    assert f"nearkin gallery create -g GALLERY FOLDER --model {study / 'model'}" in result.stdout
    made = Embedder.load(study)
    assert (made.runner, made.dimension, made.space.name) == ("onnx", 64, "cosine")
    assert made.model.origin["data"]["name"] == images.name


def test_the_model_gives_the_embeddings_of_the_run(trained) -> None:
    folder, study, _ = trained
    run = next(path.parent for path in (study / "runs").glob("*/network.safetensors"))
    images = load_images(folder)
    split = json.loads((study / "splits" / "closed-set.json").read_text())
    opened = [open_image((folder / images.image_ids[place]).read_bytes(), "") for place in split["test"]]
    rows = np.load(run / "embeddings.npy")
    distances = Embedder.load(study).space.distances(*[Embedder.load(study).embed([each.pixels for each in opened])] * 2)
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.abs(distances - (1 - units @ units.T)).max() < 1e-5
    found = evaluate(rows, images.labels[split["test"]], distance="cosine", clustering=False)
    assert len(found.queries["neighbours"]) == len(rows)


def test_the_model_knows_the_images_of_training_and_validation_and_no_others(trained) -> None:
    folder, study, _ = trained
    images = load_images(folder)
    split = json.loads((study / "splits" / "closed-set.json").read_text())
    seen = Embedder.load(study).trained_on
    assert seen == {images.hashes[place] for place in split["train"] + split["validation"]}
    path = folder / images.image_ids[split["train"][0]]
    assert image_hash(open_image(path.read_bytes(), "").pixels) in seen


def test_the_descriptors_score_is_that_of_its_embeddings(trained) -> None:
    folder, study, _ = trained
    images = load_images(folder)
    split = json.loads((study / "splits" / "closed-set.json").read_text())["test"]
    opened = [open_image((folder / images.image_ids[place]).read_bytes(), "").pixels for place in split]
    rows = Embedder.load("descriptor").embed(opened)
    wanted = evaluate(rows, images.labels[split], distance="euclidean", clustering=False).scores["map@r"]
    assert descriptor_score(reopen(study), "closed-set") == pytest.approx(wanted, abs=1e-6)


def test_the_same_command_again_keeps_the_model_that_is_there(trained, monkeypatch: pytest.MonkeyPatch) -> None:
    images, study, first = trained
    before = {path.name: path.stat().st_mtime_ns for path in (study / "model").iterdir()}
    monkeypatch.setattr(embedder.Embedder, "export", lambda self, **_: pytest.fail("exported again"))
    again = nearkin("train", images, "--steps", 4, "--output", study)
    assert again.stdout == first.stdout
    assert {path.name: path.stat().st_mtime_ns for path in (study / "model").iterdir()} == before


def test_export_makes_the_same_model_of_the_run(trained, tmp_path: Path) -> None:
    _, study, _ = trained
    run = next(path.parent for path in (study / "runs").glob("*/network.safetensors"))
    result = nearkin("export", run, "--output", tmp_path / "model", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["fingerprint"] == Embedder.load(study).fingerprint
    assert sorted(map(int, found["parity"]["differences"])) == [1, 2, 7, 64] and found["parity"]["worst"] < 1e-4
    assert Embedder.load(tmp_path / "model").trained_on == Embedder.load(study).trained_on


def test_without_the_extra_the_model_is_kept_for_torch_and_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(self, **_):
        raise MissingExtra("exporting a model needs 'onnx', which is not installed; install it with: pip install 'nearkin[export]'")

    monkeypatch.setattr(embedder.Embedder, "export", absent)
    result = nearkin("train", folder_of_digits(tmp_path / "photos"), "--steps", 2, "--output", tmp_path / "study", "--json")
    assert result.exit_code == 0, result.output
    model = json.loads(result.stdout)["model"]
    assert model["parity"] is None and "nearkin[export]" in model["reason"]
    assert Embedder.load(tmp_path / "study").runner == "torch"
    assert "nearkin[export]" in refused("export", tmp_path / "study")


def test_a_study_of_several_runs_asks_which(tmp_path: Path) -> None:
    assert nearkin("compare", "quickstart", *QUICK, "--output", tmp_path / "study").exit_code == 0
    said = refused("export", tmp_path / "study")
    assert "name one of their folders" in said and said.count(str(tmp_path / "study" / "runs")) > 3


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    assert "there is no folder" in refused("export", tmp_path / "nowhere")
    assert "no run of a study" in refused("export", tmp_path)
    (tmp_path / "runs").mkdir()
    assert "--weights are those of a backbone" in refused("train", tmp_path, "--weights", "file.safetensors")
    assert "names its network itself" in refused("train", "quickstart", "--backbone", "mobilenet_v2")


@pytest.mark.filterwarnings("ignore:torchvision .* are of different builds:UserWarning")
def test_a_head_on_a_backbone_is_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(embedder.Embedder, "export", lambda self, **_: (_ for _ in ()).throw(MissingExtra("left out here")))
    photos = folder_of_digits(tmp_path / "photos", each=6)
    words = ("--backbone", "mobilenet_v2", "--weights", "random", "--size", 32, "--steps", 2)
    result = nearkin("train", photos, *words, "--output", tmp_path / "study", "--json")
    assert result.exit_code == 0, result.output
    made = Embedder.load(tmp_path / "study")
    assert [part["type"] for part in made.model.network["parts"]] == ["backbone", "head"]
    assert made.preprocessing.height == 32 and made.dimension == 64
    assert {row["method"] for row in json.loads(result.stdout)["protocols"][0]["rows"]} >= {"features", "untrained"}
