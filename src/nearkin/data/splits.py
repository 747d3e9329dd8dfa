"""Splits into training, validation and test parts: four protocols, each recorded, none that leaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nearkin.core import InputError, InputTypeError, derived_seed, flag, pick, within
from nearkin.data.few_shot import NONE, FewShot, deal_few_shot
from nearkin.data.images import PARTS, ImageSet
from nearkin.data.leaks import check_leaks
from nearkin.data.protocols import DEFAULT_SHARES, FEW_SHOT, PROTOCOLS, Indices, Shares


@dataclass(frozen=True, eq=False)
class Split:
    """Indices (int64, ascending) of the images of each part, and a description that can be written as JSON.

    `enrolled` are images of classes that nothing is trained on; they answer, beside those of train and validation, where the
    test part asks for such classes. Only a few-shot split has them.
    """

    protocol: str
    seed: int
    train: Indices
    validation: Indices
    test: Indices
    description: dict[str, Any]
    enrolled: Indices = field(default_factory=lambda: NONE)

    def part(self, name: str) -> Indices:
        """The indices of "train", "validation" or "test"."""
        return pick("part", {part: getattr(self, part) for part in PARTS}, name, where="parts of a split")

    def as_dict(self) -> dict[str, Any]:
        """The split as plain values for a JSON file; `Split.from_dict` reads it again."""
        parts = {part: self.part(part).tolist() for part in PARTS}
        if len(self.enrolled):
            parts["enrolled"] = self.enrolled.tolist()
        return {"protocol": self.protocol, "seed": self.seed, "description": self.description, **parts}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Split:
        """The split that `as_dict` wrote."""
        parts = {part: np.array(value.get(part, ()), dtype=np.int64) for part in (*PARTS, "enrolled")}
        return cls(protocol=value["protocol"], seed=value["seed"], description=dict(value["description"]), **parts)


def make_split(
    images: ImageSet,
    protocol: str,
    *,
    seed: int = 0,
    validation_share: float | None = None,
    test_share: float | None = None,
    drop_leaks: bool = False,
    few_shot: FewShot | Mapping[str, Any] | None = None,
) -> Split:
    """Split `images` by a protocol; groups and identical images stay on one side.

    closed-set : every class is in every part, near its share (exactly, where no images are tied together).
        Shares of the images of each class, default 0.15 for validation, 0.25 for test.
    class-disjoint : no class is in two parts; each part has at least two classes. Shares of the classes, default 0.2 for
        validation, 0.3 for test.
    official : the source's own split. Where it has no validation part, one is carved out of train, never out of test:
        stratified where train and test share classes, class-disjoint where they do not. Default 0.1 of train.
        `drop_leaks` takes images out of training and validation that are identical to, or in a group with, one of the
        test part, which stays as published; and where all test classes are new but for a few (under half), those few.
        The default is to refuse such a split.
    few-shot : so many images of so many classes, some of each known and the others asking; the classes left over can be kept
        as novel: enrolled, never trained on, and asked for too. `few_shot` has its settings, a `FewShot` or its keys.

    The same images, protocol, seed, shares and settings give the same split. Raises InputError where the protocol is impossible
    (and says why), and where parts share an image or a group.
    """
    rule = pick("protocol", PROTOCOLS, protocol, where=", ".join(PROTOCOLS))
    if protocol == FEW_SHOT:
        return _few_shot(images, seed, few_shot, validation_share, test_share, drop_leaks)
    if few_shot is not None:
        raise InputError(f"few_shot has settings of the few-shot protocol; {protocol} goes by shares")
    shares = _shares(protocol, validation_share, test_share)
    if flag("drop_leaks", drop_leaks) and protocol != "official":
        raise InputError(f"drop_leaks is for the official protocol; {protocol} keeps tied images together by itself")
    rng = np.random.default_rng(derived_seed(seed, "split", protocol))
    parts, facts = rule(images, shares, rng, drop_leaks)
    description = {"protocol": protocol, "seed": seed, "shares": shares, "data_hash": images.data_hash}
    description |= facts | _census(images, parts)
    train, validation, test = (np.sort(part) for part in parts)
    split = Split(protocol, seed, train, validation, test, description)
    check_leaks(images, split)
    return split


def _few_shot(images: ImageSet, seed: int, given: FewShot | Mapping[str, Any] | None, *others: object) -> Split:
    """A few-shot split; what belongs to other protocols is refused."""
    if any(other not in (None, False) for other in others):
        raise InputError("few-shot counts images, it has no shares and no drop_leaks: set few_shot.images_per_class and the like")
    if not isinstance(given, FewShot | Mapping | None):
        raise InputTypeError(f"few_shot must be a FewShot or its settings, got {given!r}")
    settings = given if isinstance(given, FewShot) else FewShot(**given or {})
    dealt = deal_few_shot(images, settings, np.random.default_rng(derived_seed(seed, "split", FEW_SHOT)))
    parts = dealt.train, dealt.validation, dealt.test
    description: dict[str, Any] = {"protocol": FEW_SHOT, "seed": seed, "data_hash": images.data_hash}
    description |= dealt.facts | _census(images, parts)
    if len(dealt.enrolled):
        description["images"]["enrolled"] = len(dealt.enrolled)
        description["classes"]["enrolled"] = len(np.unique(images.labels[dealt.enrolled]))
    train, validation, test, enrolled = (np.sort(part) for part in (*parts, dealt.enrolled))
    split = Split(FEW_SHOT, seed, train, validation, test, description, enrolled)
    check_leaks(images, split)
    return split


def possible_protocols(images: ImageSet) -> dict[str, str | None]:
    """For every protocol None, or the reason why these images cannot be split by it with the default shares."""
    reasons: dict[str, str | None] = {}
    for protocol in PROTOCOLS:
        try:
            make_split(images, protocol)
            reasons[protocol] = None
        except InputError as error:
            reasons[protocol] = str(error)
    return reasons


def _shares(protocol: str, validation: float | None, test: float | None) -> Shares:
    shares = dict(DEFAULT_SHARES[protocol])
    if test is not None and "test" not in shares:
        raise InputError("the official protocol brings its own test part; leave test_share unset")
    for name, given in (("validation", validation), ("test", test)):
        if given is not None:
            shares[name] = within(f"{name}_share", given, 0, 0.9)
    if "test" in shares and shares["test"] == 0:
        raise InputError("test_share must be above 0")
    if sum(shares.values()) > 0.9:
        raise InputError(f"validation_share and test_share leave too little to train on: {shares}")
    return shares


def _census(images: ImageSet, parts: tuple[Indices, ...]) -> dict[str, Any]:
    census: dict[str, Any] = {
        "images": {name: len(part) for name, part in zip(PARTS, parts, strict=True)},
        "classes": {name: len(np.unique(images.labels[part])) for name, part in zip(PARTS, parts, strict=True)},
    }
    if images.groups is not None:
        census["groups"] = {name: len(np.unique(images.groups[part])) for name, part in zip(PARTS, parts, strict=True)}
    return census
