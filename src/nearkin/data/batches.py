"""P x K batches: P classes, K images of each, every image of the training part in every epoch."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nearkin.core import InputError, InputTypeError, derived_seed, integer

Indices = NDArray[np.int64]


class PKSampler:
    """Batches of `classes_per_batch` (P) classes with `images_per_class` (K) images each.

    A class with n images is shuffled and cut into ceil(n / K) hands of K; the last is filled up from the start of the
    shuffle. An epoch has max(largest number of hands, ceil(all hands / P)) batches, the fewest that can hold every hand
    with no class twice in a batch. Places left over go to the classes that are dealt least, from a new shuffle. Which
    classes meet in a batch is drawn anew for each batch, by systematic sampling.

    What holds for every epoch:

    - a batch has P classes and K images of each, P K indices in all, class after class;
    - every image occurs at least once;
    - the images of a class within a batch are distinct if it has K images. If it has fewer, each occurs
      floor(K / n) or ceil(K / n) times; a class with a single image is that image K times;
    - a class with more images is in as many batches or more (by the rule above, up to one place);
    - the same seed and number give the same batches, whatever was drawn before.

    labels : (N,) integers, such as `images.labels[split.train]`; the batches are positions in it.
    Raises InputError where P exceeds the number of classes, or K the size of every class.
    """

    def __init__(self, labels: ArrayLike, classes_per_batch: int, images_per_class: int, *, seed: int) -> None:
        self.classes_per_batch = integer("classes_per_batch", classes_per_batch, minimum=1)
        self.images_per_class = integer("images_per_class", images_per_class, minimum=1)
        self.seed = integer("seed", seed)
        self._members = _members(labels)
        sizes = np.array([len(members) for members in self._members])
        if self.classes_per_batch > len(sizes):
            raise InputError(f"classes_per_batch is {classes_per_batch}, but there are only {len(sizes)} classes")
        if self.images_per_class > sizes.max():
            raise InputError(
                f"images_per_class is {images_per_class}, larger than every class: the largest has {sizes.max()} images"
            )
        self._turns = _turns(-(-sizes // self.images_per_class), self.classes_per_batch)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return int(self._turns.sum()) // self.classes_per_batch

    def __repr__(self) -> str:
        return (
            f"PKSampler({len(self._members)} classes, classes_per_batch={self.classes_per_batch}, "
            f"images_per_class={self.images_per_class}, seed={self.seed}: {len(self)} batches an epoch)"
        )

    def epoch(self, number: int) -> list[Indices]:
        """The batches of epoch `number` (0, 1, ...), each (P K,) positions in `labels`."""
        rng = np.random.default_rng(derived_seed(self.seed, "batches", integer("number", number)))
        hands = [self._hands(members, turns, rng) for members, turns in zip(self._members, self._turns, strict=True)]
        left = self._turns.copy()
        batches = []
        for remaining in range(len(self), 0, -1):
            chosen = _systematic(left, remaining, rng)
            batches.append(np.concatenate([hands[label][left[label] - 1] for label in chosen]))
            left[chosen] -= 1
        return batches

    def _hands(self, members: Indices, turns: int, rng: np.random.Generator) -> Indices:
        """(turns, K): shuffles of the class cut into hands, the first of them covering the class."""
        size = self.images_per_class
        hands_of_shuffle = -(-len(members) // size)
        shuffles = [
            np.resize(rng.permutation(members), (hands_of_shuffle, size)) for _ in range(-(-turns // hands_of_shuffle))
        ]
        return np.concatenate(shuffles)[:turns]


def _members(labels: ArrayLike) -> list[Indices]:
    """The positions of each class's images, classes in ascending order of their label."""
    column = np.asarray(labels)
    if column.ndim != 1 or column.dtype.kind not in "iu":
        raise InputTypeError(f"labels must be one column of integers, got {column.dtype} of shape {column.shape}")
    if not len(column):
        raise InputError("labels are empty; there is nothing to draw batches from")
    order = np.argsort(column, kind="stable").astype(np.int64)
    return np.split(order, np.flatnonzero(np.diff(column[order])) + 1)


def _turns(hands: Indices, places: int) -> Indices:
    """In how many batches each class is: its hands at least, all batches at most, and the rest dealt out evenly."""
    batches = max(int(hands.max()), -(-int(hands.sum()) // places))
    left = batches * places - int(hands.sum())
    turns = hands.astype(np.int64)
    while left:
        lowest = np.flatnonzero(turns == turns.min())
        higher = turns[turns > turns.min()]
        ceiling = int(higher.min()) if len(higher) else batches
        rise = min(ceiling - int(turns.min()), left // len(lowest))
        if rise == 0:
            turns[lowest[:left]] += 1
            break
        turns[lowest] += rise
        left -= rise * len(lowest)
    return turns


def _systematic(left: Indices, remaining: int, rng: np.random.Generator) -> Indices:
    """Draw classes for one of the `remaining` batches, each with the probability left / remaining.

    The classes lie on a line in random order, each as long as the turns it has left; marks at equal distances
    `remaining` from a random start pick one class each. A class whose turns equal the batches is always picked, none
    is picked twice, and the numbers stay in balance until the end.
    """
    order = rng.permutation(len(left))
    ends = np.cumsum(left[order])
    marks = np.arange(rng.integers(remaining), ends[-1], remaining)
    return order[np.searchsorted(ends, marks, side="right")]
