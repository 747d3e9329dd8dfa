"""The gallery as a person types it: what is said, what `--json` says, and what a mistake is told."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.commands import nearkin, refused
from gallery.pictures import folder_of
from nearkin.cli.answers import columns_of
from nearkin.cli.program import program


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("photos")
    folder_of(place / "known", range(12), range(4))
    folder_of(place / "new", range(3), range(10, 13))
    folder_of(place / "unknown", range(100, 120), range(2))
    return place


@pytest.fixture(scope="module")
def made(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("galleries") / "kin"
    assert nearkin("gallery", "create", photos / "known", "-g", folder).exit_code == 0
    assert nearkin("gallery", "calibrate", "--false-accept", 0.2, "--unknowns", photos / "unknown", "-g", folder).exit_code == 0
    return folder


@pytest.fixture
def kin(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A calibrated gallery that the environment names."""
    shutil.copytree(made, tmp_path / "kin")
    monkeypatch.setenv("NEARKIN_GALLERY", str(tmp_path / "kin"))
    return tmp_path / "kin"


def said(*words: object, code: int = 0) -> str:
    result = nearkin(*words)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


def plain(*words: object) -> Any:
    """The answer as JSON; nothing else is on stdout."""
    result = nearkin(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_walk_of_five_commands(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARKIN_GALLERY", str(tmp_path / "kin"))
    assert "48 images enrolled, 12 new classes; revision 1" in said("gallery", "create", photos / "known")
    assert "at most 20 % of photos of classes not enrolled get a name" in said(
        "gallery", "calibrate", "--false-accept", 0.2, "--unknowns", photos / "unknown"
    )
    photo = photos / "new" / "kind 1" / "10.png"
    assert f"{photo}: kind 1" in said("classify", photo)
    assert ": same" in said("verify", photo, photos / "new" / "kind 1" / "11.png")
    assert "kind 1" in said("search", photo, "-k", 3)


def test_one_photo_is_answered_at_length_and_many_in_a_table(kin: Path, photos: Path) -> None:
    one = said("classify", photos / "new" / "kind 1" / "10.png")
    assert all(word in one for word in ("distance", "likely", "nearest", "Named within", "95 % bound over 20 classes"))
    many = said("classify", photos / "new", photos / "unknown").splitlines()
    assert len([line for line in many if line.endswith(tuple("0123456789")) or "nearest is" in line]) == 9 + 40
    assert any("unknown" in line and "nearest is kind" in line for line in many)


def test_json_has_everything_that_an_answer_rests_on(kin: Path, photos: Path) -> None:
    found = plain("classify", photos / "new")
    assert found["bad"] == []
    answer = found["answers"][0]
    assert answer["decision"] == "named"
    assert answer["label"] == answer["candidates"][0]["label"] == "kind 0"
    assert {"probability", "distance", "threshold", "promise", "neighbours", "model", "revision"} <= set(answer)
    assert answer["promise"]["rate"] == 0.2
    assert answer["model"]["name"] == "descriptor"
    assert plain("verify", *sorted((photos / "new" / "kind 0").iterdir())[:2])["decision"] == "same"
    assert plain("search", photos / "new" / "kind 0" / "10.png", "-k", 2)["neighbours"][1]["label"] == "kind 0"
    assert plain("gallery", "info")["images"] == 48
    assert plain("gallery", "list")["classes"]["kind 3"] == 4
    assert len(plain("gallery", "list", "kind 3")["images"]) == 4
    assert [each["action"] for each in plain("gallery", "history")] == ["create", "add", "calibrate"]
    assert plain("gallery", "check")["suspects"] == []


def test_an_old_revision_answers_as_it_did(kin: Path, photos: Path) -> None:
    photo = photos / "new" / "kind 0" / "10.png"
    before = plain("classify", photo)
    assert plain("gallery", "remove", "kind 0")["removed"] == 4
    assert plain("classify", photo)["answers"][0]["candidates"][0]["label"] != "kind 0"
    assert plain("classify", photo, "--at-revision", 2) == before
    assert "kind 0" in said("gallery", "list", "--at-revision", 2)
    assert "kind 0" not in said("gallery", "list")
    assert "as at revision 2: 48 images enrolled; revision 4" in said("gallery", "rollback", 2)


def test_standard_input_is_an_image_or_a_list(kin: Path, photos: Path) -> None:
    photo = photos / "new" / "kind 2" / "10.png"
    run = CliRunner()
    one = run.invoke(program, ["classify", "-", "--json"], input=photo.read_bytes())
    assert json.loads(one.stdout)["answers"][0]["label"] == "kind 2"
    many = run.invoke(program, ["classify", "-", "--json"], input=f"{photo}\n{photos / 'new' / 'kind 1'}\n")
    assert [each["label"] for each in json.loads(many.stdout)["answers"]] == ["kind 2", *["kind 1"] * 3]
    assert len(plain("classify", f"{photos}/new/*/10.png")["answers"]) == 3


def test_bad_images_are_named_or_left_out(kin: Path, photos: Path, tmp_path: Path) -> None:
    place = tmp_path / "inbox"
    shutil.copytree(photos / "new" / "kind 0", place)
    (place / "broken.png").write_bytes(b"")
    (place / "words.jpg").write_text("no picture")
    told = refused("classify", place)
    assert "2 of 5 images cannot be read" in told and "broken.png" in told and "words.jpg" in told
    found = plain("classify", place, "--skip-bad")
    assert len(found["answers"]) == 3
    assert [Path(each["image"]).name for each in found["bad"]] == ["broken.png", "words.jpg"]
    assert "2 files left out" in said("gallery", "add", place, "--label", "someone", "--skip-bad")


def test_changes_say_what_they_did(kin: Path, photos: Path) -> None:
    assert "0 images enrolled; 48 images were enrolled already" in said("gallery", "add", photos / "known")
    assert "4 images relabelled; revision 3" in said("gallery", "relabel", "kind 1", "eins", "--note", "German")
    assert "enrolled as 'eins'" in said("gallery", "add", photos / "known")
    assert "1 image removed" in said("gallery", "remove", "#3")
    assert "German" in said("gallery", "history")
    said("gallery", "relabel", photos / "known" / "kind 2" / "0.png", "zwei")
    assert "zwei" in said("gallery", "list")
    assert "#" in said("gallery", "list", "zwei")


def test_lists_are_in_line_whatever_the_names_are(tmp_path: Path) -> None:
    names = ["cat", "\u732b\u732b", "\U0001f98a fox", "cafe\u0301", "x" * 200]
    for kind, name in enumerate(names):
        folder_of(tmp_path / "photos", range(kind, kind + 1), range(1), name=name)
    said("gallery", "create", tmp_path / "photos", "-g", tmp_path / "kin")
    lines = dict(line.rsplit(maxsplit=1) for line in said("gallery", "list", "-g", tmp_path / "kin").splitlines()[:5])
    assert set(lines.values()) == {"1"}
    listed = said("gallery", "list", "-g", tmp_path / "kin").splitlines()[:5]
    assert {columns_of(line) for line in listed if "x" * 200 not in line} == {80 + 2 + 1}
    assert "x" * 200 + "  1" in listed


def test_an_interruption_enrols_nothing(kin: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nearkin.embedding.embedder import Embedder

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Embedder, "embed", stop)
    result = nearkin("gallery", "add", photos / "new")
    assert (result.exit_code, result.stdout) == (130, "")
    assert nearkin("gallery", "create", photos / "new", "-g", tmp_path / "other").exit_code == 130
    assert not (tmp_path / "other").exists()
    assert [each["number"] for each in plain("gallery", "history")] == [0, 1, 2]


def test_an_index_says_what_it_is_worth(kin: Path) -> None:
    pytest.importorskip("faiss")
    assert "48 images indexed; of the 10 nearest it finds" in said("gallery", "index")
    assert plain("gallery", "index")["images"] == 48


def test_purge_asks_first(kin: Path) -> None:
    run = CliRunner()
    refusal = run.invoke(program, ["gallery", "purge", "kind 4"], input="n\n")
    assert refusal.exit_code == 1
    assert "cannot be undone" in refusal.output
    assert "kind 4" in said("gallery", "list")
    assert "4 images and 1 label erased for good" in run.invoke(program, ["gallery", "purge", "kind 4"], input="y\n").output
    assert "erased" in refused("gallery", "purge", "kind 4", "--yes") or "kind 4" in refused("gallery", "purge", "kind 4", "--yes")
    assert plain("gallery", "purge", "kind 5", "--yes")["images"] == 4


def test_label_errors_are_listed_and_damage_ends_with_1(kin: Path) -> None:
    said("gallery", "relabel", "#1", "kind 9")
    told = said("gallery", "check")
    assert "likely label errors: 1" in told
    assert "#1" in told and "looks like 'kind 0'" in told
    content = (kin / "gallery.db").read_bytes()
    (kin / "gallery.db").write_bytes(content[: len(content) // 2])
    assert nearkin("gallery", "check").exit_code != 0


def test_new_classes_that_look_like_others_and_outgrown_promises_are_said(kin: Path, tmp_path: Path) -> None:
    told = said("gallery", "add", folder_of(tmp_path / "more", range(3, 4), range(30, 34), name="twin"))
    assert "photos of 1 of 1 new class may be taken for another class" in told and "'kind 3'" in told
    assert "outgrown" in said("gallery", "add", folder_of(tmp_path / "most", range(200, 215), range(2)))
    assert "outgrown" in said("gallery", "info")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["classify", "nowhere.png"], "there is no file or folder 'nowhere.png'"),
        (["gallery", "remove", "kind1"], "did you mean 'kind 1'?"),
        (["gallery", "remove", "#999"], "no image 999"),
        (["gallery", "list", "kind1"], "did you mean 'kind 1'?"),
        (["gallery", "rollback", "77"], "revision"),
        (["gallery", "calibrate", "--false-accept", "0.001"], "support no promise below"),
        (["gallery", "calibrate", "--false-accept", "2"], "false_accept must be a number from 0 to 1"),
        (["gallery", "calibrate", "--unknowns", "x"], "--false-accept"),
        (["gallery", "create", "known"], "there is a gallery in"),
        (["gallery", "add", "new/kind 1"], "--label 'kind 1'"),
        (["gallery", "rebase", "descriptor", "--images", "known"], "of this very model already"),
        (["gallery", "creat"], "Did you mean"),
        (["search", "new", "-k", "3"], "one image is needed here, and 9 were given"),
    ],
)
def test_a_mistake_is_one_sentence(words: list[str], sentence: str, kin: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    assert sentence in refused(*words)


def test_without_a_gallery_the_way_to_name_one_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NEARKIN_GALLERY", raising=False)
    assert "--gallery FOLDER, or once and for all with NEARKIN_GALLERY" in refused("classify", "x.png")
    monkeypatch.chdir(tmp_path)
    assert "which gallery?" in refused("gallery", "create", "-g", "")  # as of a variable that is not set
    assert list(tmp_path.iterdir()) == []
    assert "no such folder" in refused("gallery", "info", "-g", tmp_path / "nowhere")
    assert "is not a gallery" in refused("gallery", "info", "-g", tmp_path)


def test_where_no_gallery_can_be_made_is_said(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    for place in ("a file", "a file/inside/it"):
        assert f"{tmp_path / 'a file'} is a file; a gallery is a folder" in refused("gallery", "create", photos / "new", "-g", tmp_path / place)
    if Path("/proc/self").exists():
        failed = nearkin("gallery", "create", photos / "new", "-g", "/proc/nothing")
        assert (failed.exit_code, failed.stdout) == (1, "")
        assert failed.stderr.endswith("(/proc)\n")


def test_a_note_of_several_lines_stays_in_its_line(kin: Path, photos: Path) -> None:
    said("gallery", "add", photos / "new" / "kind 0", "--label", "zero", "--note", "a\nb\tc")
    assert said("gallery", "history").splitlines()[-1].endswith("a b c")


def test_without_sqlalchemy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    assert "nearkin[gallery]" in refused("gallery", "create", "-g", tmp_path / "kin")


@pytest.mark.parametrize("name", program.commands["gallery"].commands)  # type: ignore[attr-defined]
def test_every_command_of_a_gallery_has_help_an_example_and_json(name: str) -> None:
    told = said("gallery", name, "--help")
    assert "--json" in told
    assert f"nearkin gallery {name} -g" in told or f"nearkin gallery {name} runs" in told
    assert "--gallery" in told
