"""Splits into training, validation and test parts: three protocols, each recorded, none that leaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nearkin.core import InputError, derived_seed, flag, pick, within
from nearkin.data.images import PARTS, ImageSet
from nearkin.data.leaks import check_leaks
from nearkin.data.protocols import DEFAULT_SHARES, PROTOCOLS, Indices, Parts, Shares


@dataclass(frozen=True, eq=False)
class Split:
    """Indices (int64, ascending) of the images of each part, and a description that can be written as JSON."""

    protocol: str
    seed: int
    train: Indices
    validation: Indices
    test: Indices
    description: dict[str, Any]

    def part(self, name: str) -> Indices:
        """The indices of "train", "validation" or "test"."""
        return pick("part", {part: getattr(self, part) for part in PARTS}, name, where="parts of a split")

    def as_dict(self) -> dict[str, Any]:
        """The split as plain values for a JSON file; `Split.from_dict` reads it again."""
        parts = {part: self.part(part).tolist() for part in PARTS}
        return {"protocol": self.protocol, "seed": self.seed, "description": self.description, **parts}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Split:
        """The split that `as_dict` wrote."""
        parts = {part: np.array(value[part], dtype=np.int64) for part in PARTS}
        return cls(protocol=value["protocol"], seed=value["seed"], description=dict(value["description"]), **parts)


def make_split(
    images: ImageSet,
    protocol: str,
    *,
    seed: int = 0,
    validation_share: float | None = None,
    test_share: float | None = None,
    drop_leaks: bool = False,
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

    The same images, protocol, seed and shares give the same split. Raises InputError where the protocol is impossible
    (and says why), and where parts share an image or a group.
    """
    rule = pick("protocol", PROTOCOLS, protocol, where="closed-set, class-disjoint, official")
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


def _census(images: ImageSet, parts: Parts) -> dict[str, Any]:
    census: dict[str, Any] = {
        "images": {name: len(part) for name, part in zip(PARTS, parts, strict=True)},
        "classes": {name: len(np.unique(images.labels[part])) for name, part in zip(PARTS, parts, strict=True)},
    }
    if images.groups is not None:
        census["groups"] = {name: len(np.unique(images.groups[part])) for name, part in zip(PARTS, parts, strict=True)}
    return census
