"""A model folder is what was saved, or it is refused with the reason."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from nearkin.core import InputError, content_hash
from nearkin.decision import Space
from nearkin.distances import Mahalanobis, RelativeMahalanobis
from nearkin.embedding import Embedder, Preprocessing
from nearkin.embedding.model_folder import Model, read_model, write_model
from nearkin.networks import Network

RNG = np.random.default_rng(8)
IMAGES = [RNG.integers(0, 256, (9, 7, 1)).astype(np.uint8) for _ in range(5)]
SEEN = frozenset({content_hash("one"), content_hash("two")})


def small() -> Embedder:
    """A network of a moment, with a learned distance."""
    network = Network(6, 6, 1, 4).add_conv(3, 3, 2, 2, 2).standardise(0.4, 0.2)
    distance = RelativeMahalanobis(dimensions=4, rank=3, center=True)
    return Embedder.from_network(network, distance=distance, trained_on=SEEN, name="small", origin={"data": "noise"})


@pytest.fixture
def folder(tmp_path):
    return small().save(tmp_path / "model")


def test_a_saved_model_is_the_same_model(folder):
    made, found = small(), Embedder.load(folder)
    for name in ("name", "dimension", "fingerprint", "space", "trained_on", "preprocessing"):
        assert getattr(made, name) == getattr(found, name), name
    assert found.trained_on == SEEN and found.dimension == 3 and found.name == "small"
    assert found.model.origin == {"data": "noise"}
    assert found.embed(IMAGES).tobytes() == made.embed(IMAGES).tobytes()


def test_the_same_model_has_the_same_bytes(folder, tmp_path):
    again = Embedder.load(folder).save(tmp_path / "again")
    for file in folder.iterdir():
        assert file.read_bytes() == (again / file.name).read_bytes()


def test_the_folder_of_a_run_is_searched_for_its_model(folder):
    assert Embedder.load(folder.parent).fingerprint == Embedder.load(folder).fingerprint


def test_the_descriptor_needs_no_folder_and_can_have_one(tmp_path):
    made = Embedder.load("descriptor")
    found = Embedder.load(made.save(tmp_path / "here"))
    assert (found.fingerprint, found.runner, found.space) == (made.fingerprint, "descriptor", Space("euclidean"))
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["model.json", "trained-on.txt"]


def test_the_fingerprint_is_of_configuration_and_weights():
    made = small()
    other_weights = Embedder.from_network(Network(6, 6, 1, 4, seed=1))
    assert len({made.fingerprint, other_weights.fingerprint, Embedder.from_network(Network(6, 6, 1, 4)).fingerprint}) == 3
    trained = replace(made.model, weights=(made.model.weights or b"")[:-1] + b"?")
    assert trained.configuration() == made.model.configuration()
    assert trained.fingerprint() != made.fingerprint
    plain = Network(6, 6, 1, 4)
    by_input = Embedder.from_network(plain, input=Preprocessing(1, 6, 6, (0, 16), 8))
    by_distance = Embedder.from_network(plain, distance="snr")
    assert len({Embedder.from_network(plain).fingerprint, by_input.fingerprint, by_distance.fingerprint}) == 3
    named = Embedder.from_network(plain, name="another name", trained_on=SEEN)
    assert named.fingerprint == Embedder.from_network(plain).fingerprint


@pytest.mark.parametrize("name", ["weights.safetensors", "trained-on.txt", "model.json"])
def test_any_changed_byte_is_found(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(bytes(content))
    with pytest.raises(InputError, match=f"{name} (is|was) "):
        Embedder.load(folder)


@pytest.mark.parametrize("name", ["weights.safetensors", "trained-on.txt"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"not whole: {name} is missing"):
        Embedder.load(folder)


def rewritten(folder, **changes):
    """`model.json` with changes and a checksum that fits them."""
    record = json.loads((folder / "model.json").read_text()) | changes
    record.pop("checksum")
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"))
    (folder / "model.json").write_text(json.dumps({**record, "checksum": content_hash(canonical)}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": 2}, "schema 2 and this version of nearkin reads 1; install a newer"),
        ({"maker": "somebody"}, "not written by nearkin"),
        ({"dimension": 5}, "fingerprint is not that of what it describes"),
    ],
)
def test_foreign_and_newer_folders_are_refused(folder, changes, words):
    rewritten(folder, **changes)
    with pytest.raises(InputError, match=words):
        Embedder.load(folder)


def test_a_descriptor_of_another_version_is_refused(tmp_path):
    folder = Embedder.load("descriptor").save(tmp_path / "m")
    write_model(Model(**{**vars(read_model(folder)), "network": {"version": 2}}), folder)
    with pytest.raises(InputError, match="descriptor of another version"):
        Embedder.load(folder)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda place: place, "has no model.json, and is not there at all"),
        (lambda place: place.mkdir(), "is no model folder: it has no model.json"),
        (lambda place: (place.mkdir(), (place / "model.json").write_text("{")), "model.json is damaged"),
        (lambda place: (place.mkdir(), (place / "model.json").write_text("[]")), "not written by nearkin"),
        (lambda place: (place.mkdir(), (place / "study.json").write_text("{}")), "nearkin export"),
    ],
)
def test_what_is_no_model_folder_is_refused(tmp_path, make, words):
    make(tmp_path / "place")
    with pytest.raises(InputError, match=words):
        Embedder.load(tmp_path / "place")


def test_other_files_are_not_written_over(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="other files in it"):
        Embedder.load("descriptor").save(tmp_path)


def test_saving_over_an_older_model_leaves_nothing_of_it(folder):
    Embedder.load("descriptor").save(folder)
    assert Embedder.load(folder).name == "descriptor"
    assert not (folder / "weights.safetensors").exists()


def test_a_save_that_was_stopped_leaves_no_model(folder, monkeypatch):
    import nearkin.embedding.model_folder as module

    monkeypatch.setattr(module, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        small().save(folder)
    with pytest.raises(InputError, match="no model folder"):
        Embedder.load(folder)


def test_runners_are_names_and_onnx_needs_its_file(folder):
    with pytest.raises(InputError, match="did you mean 'torch'"):
        Embedder.load(folder, runner="toch")
    with pytest.raises(InputError, match="has no ONNX file; make it with nearkin export"):
        Embedder.load(folder, runner="onnx")


def test_a_model_survives_a_move(folder, tmp_path):
    shutil.move(folder, tmp_path / "elsewhere")
    assert Embedder.load(tmp_path / "elsewhere").fingerprint == small().fingerprint


def test_embeddings_that_are_not_finite_are_refused():
    made = Embedder.from_network(Network(6, 6, 1, 4), distance=Mahalanobis.from_factor(np.eye(4) * 1e300))
    with pytest.raises(InputError, match="image 0 is not finite, nor are 4 more"), np.errstate(all="ignore"):
        made.embed(IMAGES)


def test_progress_is_told_and_batches_change_little():
    told = []
    made = small()
    rows = made.embed(IMAGES, batch_size=2, on_progress=lambda *each: told.append(each))
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert np.abs(rows - made.embed(IMAGES)).max() < 1e-6
