"""Sizes of episodes in a recipe: `evaluation.episodes` lists them, and every run of a protocol meets the same episodes.

Scores: episodes@NxK (episodes@20x1), the mean over the episodes; episodes@NxK-within-group or -within-family where the classes
of an episode are of one group of images, or of one family of classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from nearkin.comparison.problems import Problems
from nearkin.comparison.signatures import check_section, schema_of
from nearkin.core import InputError, integer
from nearkin.data import ImageSet
from nearkin.data.families import families_of
from nearkin.evaluation import Draw, draw_episodes

Size = Mapping[str, Any]


def check_sizes(section: object, problems: Problems) -> list[dict[str, Any]]:
    """`evaluation.episodes`: a list of sizes, each the settings of `draw_episodes`."""
    if not isinstance(section, list):
        problems.add("evaluation.episodes", f"must be a list of sizes such as {{ways: 20, shots: 1}}, got {section!r}")
        return []
    checked = [
        check_section(schema_of(_size), each, f"evaluation.episodes.{i}", problems) for i, each in enumerate(section)
    ]
    sizes = [each for each in checked if each is not None]
    for place, size in enumerate(sizes):
        with problems.gathered(f"evaluation.episodes.{place}"):
            integer("ways", size["ways"], minimum=2)
            for name in ("shots", "queries", "episodes"):
                integer(name, size[name], minimum=1)
    names = [score_name(size) for size in sizes]
    if len(set(names)) < len(names):
        problems.add("evaluation.episodes", f"one is named twice: {', '.join(names)}")
    return sizes


def _size(
    ways: int = 20,
    shots: int = 1,
    queries: int = 5,
    episodes: int = 1000,
    within: Literal["group", "family"] | None = None,
) -> None:
    """The keys of a size."""


def score_name(size: Size) -> str:
    """The score of a size.

    >>> score_name({"ways": 20, "shots": 1, "within": "family"})
    'episodes@20x1-within-family'
    """
    return f"episodes@{size['ways']}x{size['shots']}" + (f"-within-{size['within']}" if size["within"] else "")


def drawn(size: Size, images: ImageSet, indices: np.ndarray, seed: int) -> Draw:
    """The episodes of a size among the images at `indices`; their rows are places in `indices`.

    Errors: InputError where there are too few classes or images, or no groups or families to draw within
    """
    options = {name: size[name] for name in ("ways", "shots", "queries", "episodes")}
    try:
        return draw_episodes(images.labels[indices], within=_within(size, images, indices), seed=seed, **options)
    except InputError as error:
        raise InputError(f"evaluation.episodes, {score_name(size)}: {error}") from None


def _within(size: Size, images: ImageSet, indices: np.ndarray) -> np.ndarray | None:
    """The group or family (n,) of each image, by whichever the size says; None where all classes may meet."""
    if size["within"] is None:
        return None
    if size["within"] == "family":
        families: np.ndarray = np.array(families_of(images.classes))[images.labels[indices]]
        return families
    if images.groups is None:
        raise InputError("these images have no groups; leave within out, or give each image its group")
    groups: np.ndarray = np.array(images.group_names)[images.groups[indices]]
    return groups
