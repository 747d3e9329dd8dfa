"""`nearkin compare` from the first word to the page."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from cli.commands import QUICK, folder_of_digits, nearkin, refused, table_of_digits
from nearkin.comparison import read_recipe


def test_a_packaged_recipe_ends_with_a_table_the_page_and_the_next_line(tmp_path: Path) -> None:
    result = nearkin("compare", "quickstart", *QUICK, "--output", tmp_path / "study")
    assert result.exit_code == 0, result.output
    assert "defaults, not tuned" in result.stdout
    for row in ("siamese", "triplet network", "n-pair", "untrained", "pixels"):
        assert row in result.stdout
    assert f"{tmp_path}/study/report.html" in result.stdout.replace("\n", "")
    assert "nearkin compare --data FOLDER" in result.stdout
    assert result.stderr.count("closed-set, seed 0: map@r") == 9
    again = nearkin("compare", "quickstart", *QUICK, "--output", tmp_path / "study")
    assert again.stdout == result.stdout
    assert "9 of 9 runs are there already" in again.stderr


def test_own_images_in_a_folder_need_no_recipe(tmp_path: Path) -> None:
    images = folder_of_digits(tmp_path / "photos")
    words = ("--loss", "contrastive,triplet", "--distance", "euclidean,cosine", "--steps", 3, "--seeds", 1)
    result = nearkin("compare", "--data", images, *words, "--output", tmp_path / "study", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    rows = {row["method"] for row in found["protocols"][0]["rows"]}
    assert rows == {"contrastive-euclidean", "contrastive-cosine", "triplet-euclidean", "triplet-cosine", "untrained", "pixels"}
    written = read_recipe(tmp_path / "study" / "recipe.yaml")
    assert written.data["name"] == str(images)
    assert len(written.methods) == 4
    assert nearkin("compare", tmp_path / "study" / "recipe.yaml", "--output", tmp_path / "study").exit_code == 0


def test_class_names_are_literal_everywhere(tmp_path: Path) -> None:
    names = ["<script>alert(1)</script>", "../x", "=1+1", "007", "NaN", "no", "a,b", 'say "so"']
    source = table_of_digits(tmp_path / "odd", names)
    result = nearkin("compare", "--data", source, "--loss", "triplet", "--steps", 2, "--seeds", 1, "--output", tmp_path / "study")
    assert result.exit_code == 0, result.output
    facts = json.loads((tmp_path / "study" / "study.json").read_text())
    assert set(facts["data"]["classes"]) == set(names)
    for run in (tmp_path / "study" / "runs").iterdir():
        rows = list(csv.DictReader((run / "records.csv").read_text().splitlines()))
        assert {row["class"] for row in rows} == set(names)
        assert {row["predicted@1"] for row in rows} <= set(names)
    assert "<script>alert(1)" not in (tmp_path / "study" / "report.html").read_text()
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(next((tmp_path / "study" / "runs").glob("*/records.parquet")))
    assert set(table["class"].to_pylist()) == set(names)


def test_a_plan_trains_nothing_and_says_what_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = nearkin("compare", "quickstart", "--plan")
    assert result.exit_code == 0, result.output
    assert "82 runs" in result.stdout
    assert "official        not possible: 'digits' comes without" in result.stdout
    assert "ms a step" in result.stdout
    assert list(tmp_path.iterdir()) == []
    facts = json.loads(nearkin("compare", "quickstart", "--plan", "--seeds", 3, "--json").stdout)
    assert facts["runs"] == 2 * (8 * 3 + 1)
    assert facts["classes"] == 10
    assert facts["protocols"]["closed-set"] is None
    assert 0 < facts["smallest"]["closed-set"] < 1
    assert facts["seconds"] > 0


def test_a_loss_of_ones_own_lies_beside_its_recipe(tmp_path: Path) -> None:
    (tmp_path / "my_losses.py").write_text(
        "import torch\n\n\nclass Pull(torch.nn.Module):\n"
        "    def forward(self, embeddings, labels):\n"
        "        return embeddings.square().mean()\n"
    )
    (tmp_path / "mine.yaml").write_text(
        "data: {name: digits, limit_per_class: 20}\nseeds: 1\n"
        "network: {embedding_size: 2}\ntraining: {steps: 2, classes_per_batch: 3, images_per_class: 2}\n"
        "methods: [{name: mine, loss: my_losses:Pull}]\n"
    )
    result = nearkin("compare", tmp_path / "mine.yaml", "--output", tmp_path / "study")
    assert result.exit_code == 0, result.output
    assert "mine" in result.stdout


def test_what_a_loss_of_ones_own_prints_is_not_in_the_answer(tmp_path: Path) -> None:
    (tmp_path / "talking.py").write_text(
        "import torch\n\n\nclass Talk(torch.nn.Module):\n    def forward(self, embeddings, labels):\n"
        "        print('hello')\n        return embeddings.square().mean()\n"
    )
    (tmp_path / "mine.yaml").write_text("data: digits\ntraining: {classes_per_batch: 3, images_per_class: 2}\nmethods: [{name: mine, loss: 'talking:Talk'}]\n")
    for more in (("--plan",), ()):
        result = nearkin("compare", tmp_path / "mine.yaml", *QUICK, "--output", tmp_path / "study", "--json", *more)
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)
        assert "hello" in result.stderr


@pytest.mark.parametrize("name", ["../elsewhere", "/dev/null/elsewhere", "a/b", "..", "a\\\\b"])
def test_a_studys_name_leads_nowhere_but_into_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    said = refused("compare", "quickstart", *QUICK, f"name={name}")
    assert "cannot be that of a folder in runs/" in said
    assert list(tmp_path.iterdir()) == []


def test_the_report_is_made_again_from_the_folder_alone(tmp_path: Path) -> None:
    assert nearkin("compare", "quickstart", *QUICK, "--output", tmp_path / "study").exit_code == 0
    page = tmp_path / "study" / "report.html"
    before = page.read_bytes()
    page.unlink()
    (tmp_path / "study" / "results.json").unlink()
    result = nearkin("report", tmp_path / "study")
    assert result.exit_code == 0, result.output
    assert page.read_bytes() == before
    assert str(page) in result.stdout.replace("\n", "")


def test_train_is_a_study_of_one_run(tmp_path: Path) -> None:
    result = nearkin("train", "quickstart", "--method", "n-pair", *QUICK[:2], *QUICK[3:], "--output", tmp_path / "one", "--json")
    assert result.exit_code == 0, result.output
    rows = [row["method"] for row in json.loads(result.stdout)["protocols"][0]["rows"]]
    assert sorted(rows) == ["n-pair", "pixels", "untrained"]
    run = next(path.parent for path in (tmp_path / "one" / "runs").glob("*/network.safetensors"))
    scores = json.loads(nearkin("evaluate", run, "--json", "--no-clustering").stdout)["scores"]
    assert scores["map@r"] > 0
    assert "choose one with --method" in nearkin("train", "quickstart").stderr
    assert "did you mean 'siamese'" in nearkin("train", "quickstart", "--method", "siamise").stderr
