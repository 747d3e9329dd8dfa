"""A damaged file of a study is named, with what to delete; the same command then makes it again, bit for bit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from comparison.studies import recipe, results
from nearkin.comparison import compare
from nearkin.core import InputError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study, made once."""
    folder = tmp_path_factory.mktemp("made") / "study"
    compare(recipe(seeds=1), folder)
    return folder


@pytest.mark.parametrize("damaged", ["study.json", "runs/*/run.json"])
def test_a_file_that_was_cut_is_named_with_what_to_delete(made: Path, tmp_path: Path, damaged: str) -> None:
    study = tmp_path / "study"
    shutil.copytree(made, study)
    path = sorted(study.glob(damaged))[0]
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"json is damaged \(.*\); delete ") as caught:
        compare(recipe(seeds=1), study)
    assert str(path) in str(caught.value)
    path.unlink() if damaged == "study.json" else shutil.rmtree(path.parent)
    compare(recipe(seeds=1), study)
    assert results(study) == results(made)


@pytest.mark.parametrize("lost", ["embeddings.npy", "records.csv"])
def test_a_file_that_a_finished_run_has_lost_comes_back_when_its_folder_is_deleted(
    made: Path, tmp_path: Path, lost: str
) -> None:
    study = tmp_path / "study"
    shutil.copytree(made, study)
    run = sorted(study.glob("runs/*"))[0]
    (run / lost).unlink()
    with pytest.raises(InputError) as caught:
        compare(recipe(seeds=1), study)
    assert str(caught.value) == f"{run / lost} is missing; delete {run} and run the study again to write it"
    shutil.rmtree(run)
    compare(recipe(seeds=1), study)
    assert results(study) == results(made)
