"""A study: a completed recipe, its images and its splits, in one folder that grows and can be left at any moment.

    recipe.yaml           the recipe with everything filled in; running it again changes nothing
    study.json            the study in facts: data, design, methods, seeds, versions
    splits/PROTOCOL.json  which images are trained on, validated on, tested on
    thumbnails/PROTOCOL.npy  the test images, small
    trials/KEY, runs/KEY  one folder a trial of settings, one a run of the table
    superseded/KEY        runs whose formula has changed since; nothing reads them
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nearkin.comparison.building import PixelScale, build_network, build_plan, pixel_scale
from nearkin.comparison.claims import claim, holder
from nearkin.comparison.default_network import default_network
from nearkin.comparison.design import canonical, design_of, grown, refuse_another_design
from nearkin.comparison.reading import check_recipe
from nearkin.comparison.recipe import Recipe
from nearkin.comparison.thumbnails import write_thumbnails
from nearkin.comparison.versions import versions
from nearkin.comparison.yaml_text import read_yaml, to_yaml
from nearkin.core import InputError, content_hash, write_atomically, write_json
from nearkin.data import ImageSet, PKSampler, Split, load_images, make_split

SCHEMA = 1
LARGEST_PIXEL_ROW = 64 * 64 * 3
"""Images of at most so many values are compared as raw pixels too."""


@dataclass(frozen=True)
class Study:
    """An open study. `splits` has one split a protocol; every run of a protocol has the same one."""

    folder: Path
    recipe: Recipe
    images: ImageSet
    splits: Mapping[str, Split]
    _scales: dict[str, PixelScale] = field(default_factory=dict)

    @property
    def pixels(self) -> bool:
        """Whether raw pixels are a row of the table."""
        channels, height, width = self.images.image_shape
        return channels * height * width <= LARGEST_PIXEL_ROW

    def scale(self, protocol: str) -> PixelScale:
        """Mean and deviation of the training images of a protocol."""
        if protocol not in self._scales:
            self._scales[protocol] = pixel_scale(self.images, self.splits[protocol].train)
        return self._scales[protocol]

    def split_hash(self, protocol: str) -> str:
        """A hash of which images are in which part."""
        return split_hash(self.splits[protocol])


def split_hash(split: Split) -> str:
    """A hash of which images are in which part."""
    return content_hash(*(part.astype("<i8").tobytes() for part in (split.train, split.validation, split.test)))[:16]


def prepare(recipe: Recipe, images: ImageSet | None = None) -> tuple[Recipe, ImageSet, dict[str, Split]]:
    """The recipe completed for its images, the images, and a split for each protocol, checked for leaks.

    Errors:  InputError for data that cannot be opened, a protocol that they do not allow, a split that leaks, a network
             or a batch that does not fit
    """
    if images is None:
        options = dict(recipe.data)
        images = load_images(options.pop("name"), **options)
    if not recipe.network:
        recipe = replace(recipe, network=default_network(images.image_shape))
    splits = {protocol: make_split(images, protocol, **_split_options(recipe, protocol)) for protocol in recipe.protocols}
    for split in splits.values():
        _check_fit(recipe, images, split)
    return recipe, images, splits


def _split_options(recipe: Recipe, protocol: str) -> dict[str, Any]:
    """The official split brings its own test part; leaks are dropped only there, and elsewhere never made."""
    options = dict(recipe.split)
    return {**options, "test_share": None} if protocol == "official" else {**options, "drop_leaks": False}


def _check_fit(recipe: Recipe, images: ImageSet, split: Split) -> None:
    """Build what every run builds, so that what does not fit is said before anything is written."""
    plain = PixelScale([0.0], [1.0])
    for method in recipe.methods:
        build_network(recipe, method, images.image_shape, 0, plain)
        plan = build_plan(recipe, method, 0)
        PKSampler(images.labels[split.train], plan.classes_per_batch, plan.images_per_class, seed=0)


def open_study(recipe: Recipe, folder: Path | str, *, images: ImageSet | None = None, command: str = "") -> Study:
    """The study in `folder`, made or grown by what `recipe` asks for.

    Errors:  InputError for another design in the same folder (every difference is shown), a known method's name with
             other settings, and what `prepare` refuses; nothing is written then
    """
    folder = Path(folder)
    recipe, images, splits = prepare(recipe, images)
    hashes = {protocol: split_hash(split) for protocol, split in splits.items()}
    design = design_of(recipe, data_hash=images.data_hash, splits=hashes)
    if folder.exists() and not (folder / "study.json").exists() and any(folder.glob("[!.]*")) and not (folder / "splits").exists():
        raise InputError(f"{folder} has other files in it and is no study; give another folder with --output")
    with _alone(folder):
        if (folder / "study.json").exists():
            refuse_another_design(read_facts(folder)["design"], _as_json(design), folder)
            recipe = grown(read_study_recipe(folder), recipe, folder)
        study = Study(folder, recipe, images, splits)
        _write(study, design, command)
    return study


def read_facts(folder: Path) -> dict[str, Any]:
    """What study.json says. Errors: InputError where there is none."""
    try:
        facts: dict[str, Any] = json.loads((folder / "study.json").read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder} is not a study: it has no study.json") from None
    return facts


def read_study_recipe(folder: Path) -> Recipe:
    """The completed recipe of a study."""
    return check_recipe(read_yaml(folder / "recipe.yaml"), source=str(folder / "recipe.yaml"))


def reopen(folder: Path) -> Study:
    """The study in `folder` as its own recipe describes it. Errors: InputError when its images are no longer the same."""
    facts = read_facts(folder)
    recipe, images, splits = prepare(read_study_recipe(folder))
    hashes = {protocol: split_hash(split) for protocol, split in splits.items()}
    refuse_another_design(facts["design"], _as_json(design_of(recipe, data_hash=images.data_hash, splits=hashes)), folder)
    return Study(folder, recipe, images, splits)


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


def _write(study: Study, design: Mapping[str, Any], command: str) -> None:
    """Write what describes the study, study.json last."""
    folder, recipe, images = study.folder, study.recipe, study.images
    for protocol, split in study.splits.items():
        parts = {part: getattr(split, part).tolist() for part in ("train", "validation", "test")}
        facts = {"schema": SCHEMA, "protocol": protocol, "seed": split.seed, "description": split.description, **parts}
        _write_if_new(folder / "splits" / f"{protocol}.json", facts)
        write_thumbnails(folder / "thumbnails" / f"{protocol}.npy", images, split.test)
    write_atomically(folder / "recipe.yaml", to_yaml(recipe.as_section()))
    try:
        created, first = (read_facts(folder)[key] for key in ("created", "command"))
    except (InputError, KeyError):
        created, first = datetime.now(UTC).isoformat(timespec="seconds"), command
    facts = {
        "schema": SCHEMA,
        "name": recipe.name,
        "created": created,
        "command": first,
        "nearkin": versions()["nearkin"],
        "versions": versions(),
        "data": _data_facts(images),
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
        "design": _as_json(design),
    }
    _write_if_new(folder / "study.json", facts)


def _data_facts(images: ImageSet) -> dict[str, Any]:
    return {
        "name": images.name,
        "hash": images.data_hash,
        "images": len(images),
        "classes": list(images.classes),
        "groups": None if images.groups is None else len(images.group_names),
        "image_size": list(images.image_shape),
        "notes": list(images.notes),
        "source": images.source,
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
