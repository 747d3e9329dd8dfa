"""A user's mistake: one sentence on stderr that says what is wrong and what would be right, exit code 2, nothing half-written."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cli.commands import folder_of_digits, nearkin, refused, table_of_digits


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """No refused command leaves a study behind."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("training.step=3", "unknown key 'step'; did you mean 'steps'?"),
        ("methods.siamese.loss.name=contrastiv", "unknown loss 'contrastiv'; did you mean 'contrastive'?"),
        ("methods.siamse.loss.margin=1", "did you mean 'siamese'?"),
        ("training.steps=ten", "training.steps: must be a whole number, got 'ten'"),
        ("training.images_per_class=5000", "images_per_class is 5000, larger than every class: the largest has"),
        ("training.classes_per_batch=11", "classes_per_batch is 11, but there are only"),
        ("data.name=digit", "did you mean 'digits'?"),
        ("protocols=official", "comes without an official split; use closed-set or class-disjoint"),
        ("network.layers.0.pool_h=50", "does not fit"),
        ("seeds=none", "seeds: must be how many"),
    ],
)
def test_a_mistake_in_a_recipe_says_what_would_be_right(change: str, words: str) -> None:
    assert words in refused("compare", "quickstart", change)


def test_all_mistakes_of_a_recipe_are_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("data: digits\ntraning: {steps: 3}\nmethods: [tripet]\n")
    said = refused("compare", "bad.yaml")
    assert "did you mean 'training'" in said
    assert "did you mean 'triplet'" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["quickstrat"], "did you mean 'quickstart'?"),
        (["--data", "photos"], "say what to compare"),
        (["--loss", "triplet"], "say what to compare"),
        (["quickstart", "--loss", "triplet"], "'quickstart' names its methods itself"),
        (["--data", "nowhere", "--loss", "triplet"], "'nowhere' is neither a data set"),
        (["quickstart", "--seeds", "x"], "must be how many seeds"),
        (["quickstart", "--jobs", "0"], "0 is not in the range"),
        (["--data", "digits", "--loss", "triplet,"], "names with commas between them"),
        (["--data", "digits", "--loss", "triplet", "--distance", "snrr"], "did you mean 'snr'?"),
        (["--data", "digits", "--loss", "triplet", "--size", "big"], "must be pixels such as 64"),
    ],
)
def test_words_that_do_not_fit_together_are_refused(words: list[str], said: str) -> None:
    assert said in refused("compare", *words)


def test_a_corrupt_image_is_named_and_can_be_skipped(tmp_path: Path) -> None:
    images = folder_of_digits(tmp_path / "photos")
    broken = images / "digit 3" / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnot a picture")
    words = ("compare", "--data", images, "--loss", "triplet", "--steps", 2, "--seeds", 1)
    assert "broken.png" in refused(*words)
    result = nearkin(*words, "--skip-bad", "--output", tmp_path / "kept", "--json")
    assert result.exit_code == 0, result.output
    assert "broken.png" in (tmp_path / "kept" / "study.json").read_text()


def test_one_class_only_is_refused(tmp_path: Path) -> None:
    images = folder_of_digits(tmp_path / "photos", names=["only"])
    assert "class" in refused("compare", "--data", images, "--loss", "triplet")


def test_images_of_several_sizes_are_resized_and_large_ones_too(tmp_path: Path) -> None:
    images = folder_of_digits(tmp_path / "photos")
    Image.new("L", (200, 90)).save(images / "digit 1" / "large.png")
    result = nearkin("compare", "--data", images, "--loss", "triplet", "--steps", 1, "--seeds", 1, "--plan")
    assert result.exit_code == 0, result.output
    assert "64 x 64 x 1" in result.stdout


def test_an_empty_folder_and_a_file_that_is_no_table_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty" in refused("compare", "--data", "empty", "--loss", "triplet")
    (tmp_path / "x.csv").write_text("a;b\n1;2\n")
    assert "x.csv" in refused("compare", "--data", "x.csv", "--loss", "triplet")


def test_another_protocol_in_the_same_folder_is_refused_with_the_difference(tmp_path: Path) -> None:
    source = table_of_digits(tmp_path / "images", [f"digit {label}" for label in range(10)])
    words = ("compare", "--data", source, "--loss", "triplet", "--steps", 1, "--seeds", 1, "--output", tmp_path / "kept")
    assert nearkin(*words).exit_code == 0
    said = refused(*words, "--protocol", "class-disjoint")
    assert 'protocols was ["closed-set"], now ["class-disjoint"]' in said


def test_a_folder_that_is_no_study_has_no_report(tmp_path: Path) -> None:
    assert "there is no study folder" in refused("report", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "study.json is missing" in refused("report", tmp_path / "empty")
