"""The exported file gives torch's embeddings, and no file is made that does not."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

from nearkin.core import InputError, MissingExtra
from nearkin.embedding import Embedder, exporting
from nearkin.embedding import onnx_runner as runners
from nearkin.networks import Network

RNG = np.random.default_rng(1)
IMAGES = [RNG.integers(0, 256, (12, 11, 1)).astype(np.uint8) for _ in range(70)]


@pytest.fixture(scope="module")
def made():
    network = Network(10, 10, 1, 6, normalize=True).add_conv(3, 3, 2, 2, 4, batch_norm=True).add_fc(8).standardise(0.5, 0.25)
    return Embedder.from_network(network, distance="cosine", name="small")


@pytest.fixture(scope="module")
def exported(made):
    return made.export()


def test_the_exported_model_is_the_same_model(made, exported, tmp_path):
    embedder, parity = exported
    assert embedder.runner == "onnx" and embedder.fingerprint == made.fingerprint
    assert tuple(parity.differences) == (1, 2, 7, 64) and parity.worst < 1e-5 * max(1, parity.largest)
    for batch_size in (1, 3, 70):
        assert np.abs(embedder.embed(IMAGES, batch_size=batch_size) - made.embed(IMAGES)).max() < 1e-5
    found = Embedder.load(embedder.save(tmp_path / "model"))
    assert found.runner == "onnx"
    assert found.embed(IMAGES).tobytes() == embedder.embed(IMAGES).tobytes()
    assert Embedder.load(tmp_path / "model", runner="torch").embed(IMAGES).tobytes() == made.embed(IMAGES).tobytes()


def test_the_file_says_what_it_is_and_not_where_it_was_made(made, exported):
    embedder, _ = exported
    about = runners.OnnxRunner(embedder.model.onnx).metadata()
    assert json.loads(about["preprocessing"]) == made.model.input
    assert about["fingerprint"] == made.fingerprint and json.loads(about["space"])["name"] == "cosine"
    assert b".py" not in embedder.model.onnx
    (images,) = onnx.load_from_string(embedder.model.onnx).graph.input
    assert images.name == "images" and images.type.tensor_type.shape.dim[0].dim_param


def test_a_file_that_differs_from_torch_is_refused(made, monkeypatch):
    class Wrong:
        def __init__(self, content):
            self.run = runners.OnnxRunner(content)

        def __call__(self, images):
            return self.run(images) * np.float32(1 + 1e-3 * (len(images) == 7))

    monkeypatch.setattr(exporting, "OnnxRunner", Wrong)
    with pytest.raises(InputError, match=r"differ by up to .* at batch 7"):
        made.export()


def test_bytes_that_are_no_onnx_file_are_refused():
    with pytest.raises(InputError, match="onnxruntime cannot run"):
        runners.OnnxRunner(b"nothing of the kind")


def test_missing_packages_are_named(made, exported, monkeypatch):
    def absent(module, *, extra, purpose):
        raise MissingExtra(f"{purpose} needs {module!r}, which is not installed; install it with: pip install 'nearkin[{extra}]'")

    monkeypatch.setattr(exporting, "need", absent)
    with pytest.raises(MissingExtra, match=r"nearkin\[export\]"):
        made.export()
    monkeypatch.setattr(runners, "need", absent)
    assert Embedder(exported[0].model).runner == "torch"
    with pytest.raises(MissingExtra, match=r"nearkin\[gallery\]"):
        Embedder(exported[0].model, "onnx")


def test_the_descriptor_has_nothing_to_export():
    with pytest.raises(InputError, match="works without torch as it is"):
        Embedder.load("descriptor").export()
