"""Who computes embeddings: a GPU where there is one, whoever can use it; the decisions are the same."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from gallery.pictures import folder_of, picture
from nearkin.embedding import Embedder, running
from nearkin.gallery import Gallery
from nearkin.networks import Network

torch = pytest.importorskip("torch")
runtime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = Network(16, 16, 3, 6, normalize=True).add_conv(3, 3, 2, 2, 8, batch_norm=True).add_fc(16)
    embedder, _ = Embedder.from_network(network, distance="cosine", name="small").export()
    return embedder.save(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture
def torchs_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch says that it has a GPU; it computes on the processor all the same."""
    monkeypatch.setattr("nearkin.embedding.torch_runner.gpu", lambda: torch.device("cpu"))


def onnx_with(monkeypatch: pytest.MonkeyPatch, *used: str) -> list[list[tuple[str, dict[str, str]]]]:
    """An onnxruntime that was built for GPUs, and uses these providers; what it was asked for is listed."""
    asked: list[list[tuple[str, dict[str, str]]]] = []
    session = runtime.InferenceSession

    class Session:
        def __init__(self, content: bytes, options: object, providers: list[tuple[str, dict[str, str]]]) -> None:
            asked.append(providers)
            self.run = session(content, options, providers=["CPUExecutionProvider"]).run

        def get_providers(self) -> list[str]:
            return list(used)

    monkeypatch.setattr(
        runtime,
        "get_available_providers",
        lambda: ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
    )
    monkeypatch.setattr(runtime, "InferenceSession", Session)
    return asked


def test_without_a_gpu_the_exported_model_is_run_by_onnxruntime(model: Path) -> None:
    assert Embedder.load(model).runner == "onnx"


def test_torch_runs_the_model_where_it_has_a_gpu_that_onnxruntime_cannot_use(model: Path, torchs_gpu: None) -> None:
    assert Embedder.load(model).runner == "torch"
    assert Embedder.load(model, runner="onnx").runner == "onnx"
    assert Embedder.load("descriptor").runner == "descriptor"


def test_onnxruntime_keeps_the_model_where_it_uses_the_gpu_in_full_precision(
    model: Path, torchs_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = onnx_with(monkeypatch, "CUDAExecutionProvider", "CPUExecutionProvider")
    assert Embedder.load(model).runner == "onnx"
    assert asked == [[("CUDAExecutionProvider", {"use_tf32": "0"}), ("CPUExecutionProvider", {})]]


def test_an_onnxruntime_that_was_built_for_gpus_and_finds_none_is_no_gpu(
    model: Path, torchs_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx_with(monkeypatch, "CPUExecutionProvider")
    assert Embedder.load(model).runner == "torch"


def test_a_model_that_torch_cannot_build_stays_with_onnxruntime(torchs_gpu: None) -> None:
    own = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 4))
    shape = running.Preprocessing(3, 2, 2)
    exported, _ = Embedder.from_network(own, input=shape, distance="euclidean").export()
    assert Embedder(exported.model).runner == "onnx"


def test_torch_is_not_imported_where_the_system_has_no_driver_of_a_gpu(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def asked() -> None:
        raise LookupError("torch was asked")

    monkeypatch.setattr("nearkin.embedding.torch_runner.gpu", asked)
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(running, "DRIVERS", (str(tmp_path / "none"),))
    assert Embedder.load(model).runner == "onnx"
    (tmp_path / "none").touch()
    with pytest.raises(LookupError):
        Embedder.load(model)


def test_tf32_is_off_while_torch_embeds_and_as_it_was_afterwards(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder, seen = Embedder.load(model, runner="torch"), []
    embedder._run.chain.register_forward_pre_hook(lambda *_: seen.append(torch.backends.cudnn.allow_tf32))
    before = torch.backends.cudnn.allow_tf32
    embedder.embed([picture(0, 0)])
    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32 is before


@pytest.mark.parametrize("runner", ["onnx", "torch"])
def test_decisions_do_not_depend_on_the_batch_or_on_who_computes(model: Path, tmp_path: Path, runner: str) -> None:
    gallery, _ = Gallery.create_from(tmp_path / "kin", folder_of(tmp_path / "photos", range(8), range(6)), model)
    gallery.calibrate(0.7)
    photos = [picture(kind, 50 + number) for kind in range(10) for number in range(10)]
    together = gallery.classify(photos)
    other = Gallery.open(gallery.folder, model=Embedder.load(model, runner=runner))
    one_by_one = [other.classify(photo)[0] for photo in photos]
    assert {answer.decision for answer in together} == {"named", "unknown"}
    assert [(each.decision, each.label) for each in one_by_one] == [(each.decision, each.label) for each in together]
    np.testing.assert_allclose([each.distance for each in one_by_one], [each.distance for each in together], atol=1e-6)
