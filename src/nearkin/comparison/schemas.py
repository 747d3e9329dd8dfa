"""The sections of a recipe, each checked against the signature of what it sets up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from nearkin.comparison.episode_sizes import check_sizes, score_name
from nearkin.comparison.problems import Problems
from nearkin.comparison.recipe import OWN
from nearkin.comparison.signatures import all_but, check_section, said, schema_of
from nearkin.core import pick
from nearkin.data import load_images, make_split
from nearkin.data.few_shot import FewShot
from nearkin.data.protocols import PROTOCOLS
from nearkin.distances import DISTANCES
from nearkin.training import Augmentation, TrainingPlan, Unfreezing
from nearkin.training.augmentation import LATER

_UNSAID = (("allow_part", False), ("pad", False), ("sampler", "random"), ("verification", False))
"""Options younger than studies that may be resumed: at their default they are not written down, so that nothing differs."""

TOP_KEYS = (
    "name",
    "description",
    "data",
    "protocols",
    "split",
    "network",
    "training",
    "methods",
    "grid",
    "evaluation",
    "baseline",
    "primary",
    "seeds",
    "tuning",
    "figures",
)


def check_data(section: object, problems: Problems) -> dict[str, Any] | None:
    """`data`: a name of the catalogue or a path, and `load_images`' options."""
    if isinstance(section, str):
        section = {"name": section}
    if not isinstance(section, Mapping) or not isinstance(section.get("name"), str):
        problems.add("data", f"must be a data set's name, a path, or a section with a name, got {section!r}")
        return None
    checked = check_section(
        schema_of(load_images, only=all_but(load_images, "source")), section, "data", problems, also=("name",)
    )
    if checked is None:
        return None
    return {"name": section["name"], **{key: value for key, value in checked.items() if (key, value) not in _UNSAID}}


def check_split(section: object, problems: Problems) -> dict[str, Any] | None:
    """`split`: `make_split`'s shares and seed, and the settings of a few-shot split where there are any."""
    schema = schema_of(make_split, only=frozenset({"seed", "validation_share", "test_share", "drop_leaks"}))
    checked = check_section(schema, section, "split", problems, also=("few_shot",))
    counts = section.get("few_shot") if isinstance(section, Mapping) else None
    if counts is None or checked is None:
        return checked
    counts = check_section(schema_of(FewShot), counts, "split.few_shot", problems)
    with problems.gathered("split"):
        FewShot(**counts or {})
    return None if counts is None else {**checked, "few_shot": counts}


def check_protocols(value: object, problems: Problems) -> list[str] | None:
    """`protocols`: one name or a list of them."""
    names = ["closed-set"] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names:
        problems.add("protocols", f"must be a protocol's name or a list of them, got {value!r}")
        return None
    for name in names:
        with problems.gathered("protocols"):
            pick("protocol", PROTOCOLS, name)
    if len(set(map(str, names))) < len(names):
        problems.add("protocols", f"one is named twice: {', '.join(map(str, names))}")
    return names


def check_training(section: object, problems: Problems) -> dict[str, Any] | None:
    """`training`: the fields of `TrainingPlan`, with those of an `Augmentation` and an `Unfreezing` where there is one."""
    parts = ("augmentation", "unfreeze")
    checked = check_section(schema_of(TrainingPlan, only=all_but(TrainingPlan, "seed", *parts)), section, "training", problems, also=parts)
    changes = section.get("augmentation") if isinstance(section, Mapping) else None
    if changes is not None:
        changes = check_section(schema_of(Augmentation), changes, "training.augmentation", problems)
        changes = changes and said(changes, **LATER)
        checked = None if checked is None or changes is None else {**checked, "augmentation": changes}
    stages = section.get("unfreeze") if isinstance(section, Mapping) else None
    if stages is not None:
        stages = check_section(schema_of(Unfreezing), stages, "training.unfreeze", problems)
        checked = None if checked is None or stages is None else {**checked, "unfreeze": stages}
    if checked is not None:
        with problems.gathered("training"):
            TrainingPlan(**checked)
    return checked and said(checked, turned_classes=False)


def check_evaluation(section: object, problems: Problems) -> dict[str, Any] | None:
    """`evaluation`: `evaluate`'s ranks and whether to cluster; `distance` is a name or `own` (each method by its own); the
    sizes of episodes where there are any."""
    before = len(problems.found)
    checked = check_section(schema_of(_evaluation), section, "evaluation", problems, also=("episodes",))
    if checked is None:
        return None
    sizes = check_sizes(section["episodes"], problems) if isinstance(section, Mapping) and section.get("episodes") else []
    with problems.gathered("evaluation.distance"):
        pick("distance", {**DISTANCES, OWN: None}, checked["distance"])
    for key in ("at", "knn"):
        if not checked[key] or min(checked[key]) < 1:
            problems.add(f"evaluation.{key}", f"must be a list of whole numbers of at least 1, got {checked[key]!r}")
    kept = {key: value for key, value in checked.items() if (key, value) not in _UNSAID}
    kept |= {"episodes": sizes} if sizes else {}
    return kept if len(problems.found) == before else None


def _evaluation(
    at: tuple[int, ...] = (1, 2, 4, 8),
    knn: tuple[int, ...] = (1, 5),
    clustering: bool = True,
    distance: str = OWN,
    ignore_own_group: bool = True,
    verification: bool = False,
) -> None:
    """The keys of the section `evaluation`."""


def check_seeds(value: object, problems: Problems) -> list[int] | None:
    """`seeds`: how many (0, 1, ...), or a list of them."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return list(range(value))
    given: list[Any] = value if isinstance(value, list) else []
    if not given or any(not isinstance(seed, int) or isinstance(seed, bool) or seed < 0 for seed in given):
        problems.add("seeds", f"must be how many (at least 1) or a list of whole numbers from 0, got {value!r}")
        return None
    if len(set(given)) < len(given):
        problems.add("seeds", f"one is named twice: {given!r}")
    return given


def check_tuning(section: object, problems: Problems) -> dict[str, Any] | None:
    """`tuning`: how many trials a method gets, drawn how, by which validation score, and what is searched for every method."""
    if section is None:
        return None
    checked = check_section(schema_of(_tuning), section, "tuning", problems)
    if checked is not None and checked["trials"] < 1:
        problems.add("tuning.trials", f"must be at least 1, got {checked['trials']}")
    return checked and {key: value for key, value in checked.items() if (key, value) not in _UNSAID}


def _tuning(
    trials: int,
    metric: str | None = None,
    seed: int = 0,
    search: dict[str, Any] = {},  # noqa: B006
    sampler: Literal["random", "tpe"] = "random",
) -> None:
    """The keys of the section `tuning`."""


def score_names(evaluation: Mapping[str, Any]) -> tuple[str, ...]:
    """The scores that an evaluation with these settings has."""
    votes = (f"knn@{k}{form}" for k in evaluation["knn"] for form in ("", "-top5", "-weighted", "-weighted-top5"))
    retrieval = (*(f"recall@{k}" for k in evaluation["at"]), "precision@1", "r-precision", "map@r")
    clusters = ("nmi", "ami", "pairwise-f1") if evaluation["clustering"] else ()
    return (*retrieval, *votes, *clusters, *map(score_name, evaluation.get("episodes", ())))
