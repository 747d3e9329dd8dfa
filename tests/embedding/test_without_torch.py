"""The answering path imports neither torch nor what trains: not the descriptor, not an exported model."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np

from nearkin.decision import Space
from nearkin.embedding import Preprocessing
from nearkin.embedding.model_folder import Model, write_model
from oracles.onnx_files import mean_of_colours

HEAVY = ("torch", "torchvision", "timm", "scipy", "sklearn", "onnx", "onnxscript", "optuna", "pandas", "matplotlib")

SCRIPT = """
import json, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

HEAVY = set(json.loads(sys.argv[1]))
sys.meta_path.insert(0, Refuse())
import numpy as np
from nearkin.embedding import Embedder
images = [np.full((5, 4, 3), value, np.uint8) for value in (0, 51, 255)]
answers = {}
for place in sys.argv[2:]:
    embedder = Embedder.load(place)
    rows = embedder.embed(images)
    embedder.space.distances(rows, rows)
    answers[place] = {"runner": embedder.runner, "rows": rows.tolist()}
print(json.dumps({"answers": answers, "imported": sorted(HEAVY & set(sys.modules))}))
"""


def test_descriptor_and_exported_model_answer_without_torch(tmp_path):
    model = Model(
        name="mean",
        kind="network",
        input=Preprocessing(3, 4, 4).as_section(),
        dimension=3,
        space=Space("cosine").as_section(),
        network={"parts": [{"type": "other", "configuration": {}}], "distance": {"name": "cosine", "options": {}}},
        weights=b"",
        onnx=mean_of_colours(),
    )
    folder = str(write_model(model, tmp_path / "mean"))
    command = [sys.executable, "-c", SCRIPT, json.dumps(HEAVY), "descriptor", folder]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["imported"] == []
    assert found["answers"]["descriptor"]["runner"] == "descriptor"
    assert found["answers"][folder]["runner"] == "onnx"
    assert np.allclose(found["answers"][folder]["rows"], [[0] * 3, [0.2] * 3, [1] * 3])


def test_a_model_that_nothing_can_run_says_what_to_install(tmp_path):
    model = Model(
        name="bare",
        kind="network",
        input=Preprocessing(3, 4, 4).as_section(),
        dimension=3,
        space=Space("cosine").as_section(),
        network={"parts": [], "distance": {"name": "cosine", "options": {}}},
        weights=b"",
    )
    folder = str(write_model(model, tmp_path / "bare"))
    command = [sys.executable, "-c", SCRIPT, json.dumps(HEAVY), folder]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert "nearkin[train]" in ended.stderr and "without onnxruntime (extra gallery)" in ended.stderr
