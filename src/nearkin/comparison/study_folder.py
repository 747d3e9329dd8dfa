"""The folder of a study, which grows and can be left at any moment.

    recipe.yaml           the recipe with everything filled in; running it again changes nothing
    study.json            the study in facts: data, design, methods, seeds, versions
    splits/PROTOCOL.json  which images are trained on, validated on, tested on
    near-duplicates/PROTOCOL.csv  images of different parts that look almost the same
    thumbnails/PROTOCOL.npy  the test images, small
    trials/KEY, runs/KEY  one folder a trial of settings, one a run of the table
    superseded/KEY        runs whose formula has changed since; nothing reads them
    figures/NAME.json     figures of the documents as numbers, where the recipe asks for them
    validation.csv, results.json, results.csv, report.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nearkin.comparison.claims import claim, holder
from nearkin.comparison.design import canonical, design_of, grown, refuse_another_design
from nearkin.comparison.near_duplicates import write_near_duplicates
from nearkin.comparison.reading import check_recipe
from nearkin.comparison.recipe import Recipe
from nearkin.comparison.study import Study, prepare
from nearkin.comparison.thumbnails import write_thumbnails
from nearkin.comparison.versions import versions
from nearkin.comparison.yaml_text import read_yaml, to_yaml
from nearkin.core import InputError, write_atomically, write_json
from nearkin.data import ImageSet, Split

SCHEMA = 1


def open_study(recipe: Recipe, folder: Path | str, *, images: ImageSet | None = None, command: str = "") -> Study:
    """The study in `folder`, made or grown by what `recipe` asks for.

    Errors:  InputError for another design in the same folder (every difference is shown), a known method's name with
             other settings, and what `prepare` refuses; nothing is written then
    """
    folder = Path(folder)
    asked = Study(folder, *prepare(recipe, images))
    _refuse_other_files(folder)
    with _alone(folder):
        study = asked
        if (folder / "study.json").exists():
            refuse_another_design(read_facts(folder)["design"], _design(asked), folder)
            both = grown(read_study_recipe(folder), asked.recipe, folder)
            study = Study(folder, both, asked.images, asked.splits)
        _write(study, command)
    return study


def reopen(folder: Path) -> Study:
    """The study in `folder` as its own recipe describes it. Errors: InputError when its images are no longer the same."""
    facts = read_facts(folder)
    study = Study(folder, *prepare(read_study_recipe(folder)))
    refuse_another_design(facts["design"], _design(study), folder)
    return study


def read_facts(folder: Path) -> dict[str, Any]:
    """What study.json says. Errors: InputError where there is none, or a damaged one."""
    try:
        facts: dict[str, Any] = json.loads((folder / "study.json").read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder} is not a study: it has no study.json") from None
    except ValueError as error:
        raise InputError(
            f"{folder / 'study.json'} is damaged ({error}); delete it, and the command that made the study writes it again"
        ) from None
    return facts


def read_study_recipe(folder: Path) -> Recipe:
    """The completed recipe of a study."""
    return check_recipe(read_yaml(folder / "recipe.yaml"), source=str(folder / "recipe.yaml"))


def _design(study: Study) -> dict[str, Any]:
    hashes = {protocol: study.split_hash(protocol) for protocol in study.splits}
    return _as_json(design_of(study.recipe, data_hash=study.images.data_hash, splits=hashes))  # type: ignore[no-any-return]


def _refuse_other_files(folder: Path) -> None:
    """A folder that was never a study, not even the beginning of one, is left alone."""
    begun = any((folder / name).exists() for name in ("study.json", "splits"))
    if folder.is_dir() and not begun and any(folder.glob("[!.]*")):
        raise InputError(f"{folder} has other files in it and is no study; give another folder with --output")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the study while its plan is read and written; others wait for the moment that this takes."""
    lock = folder / ".opening"
    for _ in range(600):
        with claim(lock) as mine:
            if mine:
                yield
                return
        time.sleep(0.1)
    raise InputError(f"{folder} has been held by {holder(lock)} for a minute; is it stopped?")


def _write(study: Study, command: str) -> None:
    """Write what describes the study, study.json last; a file that already says the same is left alone."""
    folder, notes = study.folder, list(study.images.notes)
    for protocol, split in study.splits.items():
        notes += _write_split(folder, study.images, protocol, split)
    write_atomically(folder / "recipe.yaml", to_yaml(study.recipe.as_section()))
    try:
        created, first = (read_facts(folder)[key] for key in ("created", "command"))
    except InputError:
        created, first = datetime.now(UTC).isoformat(timespec="seconds"), command
    _write_if_new(folder / "study.json", {**_facts(study, notes), "created": created, "command": first})


def _write_split(folder: Path, images: ImageSet, protocol: str, split: Split) -> list[str]:
    """Write what belongs to one protocol; returns what a person should know of it."""
    _write_if_new(folder / "splits" / f"{protocol}.json", {"schema": SCHEMA, **split.as_dict()})
    write_thumbnails(folder / "thumbnails" / f"{protocol}.npy", images, split.test)
    pairs = write_near_duplicates(folder / "near-duplicates" / f"{protocol}.csv", images, split)
    where = f"near-duplicates/{protocol}.csv"
    return [f"{protocol}: {pairs} pairs of images in different parts look almost the same ({where})"] if pairs else []


def _facts(study: Study, notes: list[str]) -> dict[str, Any]:
    recipe, images = study.recipe, study.images
    return {
        "schema": SCHEMA,
        "name": recipe.name,
        "nearkin": versions()["nearkin"],
        "versions": versions(),
        "data": {
            "name": images.name,
            "hash": images.data_hash,
            "images": len(images),
            "classes": list(images.classes),
            "groups": None if images.groups is None else len(images.group_names),
            "image_size": list(images.image_shape),
            "notes": notes,
            "source": images.source,
        },
        "budget": {key: recipe.training[key] for key in ("steps", "classes_per_batch", "images_per_class")},
        "protocols": list(recipe.protocols),
        "baseline": recipe.baseline,
        "methods": [
            {"name": row.name, "description": row.description, "kind": row.kind, "settings": row.settings()}
            for row in recipe.rows(pixels=study.pixels)
        ],
        "seeds": list(recipe.seeds),
        "primary": recipe.primary,
        "tuned": recipe.tuned,
        **({"figures": list(recipe.figures)} if recipe.figures else {}),
        "design": _design(study),
    }


def _write_if_new(path: Path, facts: Mapping[str, Any]) -> None:
    """Write JSON unless the file already says just that."""
    try:
        if canonical(json.loads(path.read_text("utf-8"))) == canonical(_as_json(facts)):
            return
    except (FileNotFoundError, ValueError):
        pass
    write_json(path, _as_json(facts))


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))
