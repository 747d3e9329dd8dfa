"""Which images an episode is made of: N classes, K of each to learn from and Q to ask, drawn before anybody answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nearkin.core import InputError, derived_seed, integer
from nearkin.evaluation.inputs import Array, as_array, exact_labels, sample_names

LISTED = 5
"""Names of groups that a note shows."""


@dataclass(frozen=True, eq=False)
class Draw:
    """The images of E episodes, as rows of the embeddings that they were drawn for; the same for every method.

    labels   (E, N): the classes of an episode
    support  (E, N, K): rows that a method may learn a class from
    queries  (E, N, Q): rows that it has to name, others than those of the support
    groups   (E,): the group (alphabet) whose classes alone meet in an episode, or None
    notes    sentences for the reader: classes and groups that were left out
    """

    labels: Array
    support: Array
    queries: Array
    groups: Array | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def same_as(self, other: Draw) -> bool:
        """Whether the same images meet in every episode."""
        return np.array_equal(self.support, other.support) and np.array_equal(self.queries, other.queries)


def draw_episodes(
    labels: object,
    *,
    ways: int = 20,
    shots: int = 1,
    queries: int = 5,
    episodes: int = 1000,
    within: object = None,
    seed: int = 0,
) -> Draw:
    """Draw episodes: `ways` classes without replacement, of each `shots` + `queries` images without replacement.

    labels:    (N,) whole numbers
    within:    (N,) the group of each row; an episode's classes are then of one group, which is drawn first, every group
               with the same chance. A class that has rows in several groups counts in each of them, with its rows there
    queries:   of each class
    Left out:  classes with fewer than `shots` + `queries` rows, then groups with fewer than `ways` classes; notes say so
    Random:    one stream of `seed`; every ordered choice has the same chance
    Errors:    InputError where fewer classes are left than `ways`
    """
    count = integer("ways", ways, minimum=2), integer("shots", shots, minimum=1), integer("queries", queries, minimum=1)
    rounds = integer("episodes", episodes, minimum=1)
    codes = exact_labels("labels", labels, len(as_array(labels)))
    names = np.zeros(len(codes), dtype=np.int64) if within is None else sample_names("within", within, len(codes))
    pool = _pool(codes, names, count[0], count[1] + count[2], grouped=within is not None)
    rng = np.random.default_rng(derived_seed(integer("seed", seed), "episodes"))
    group = rng.integers(0, len(pool.first_class), size=rounds)
    classes = pool.first_class[group, None] + distinct(rng, pool.classes[group], count[0])
    chosen = distinct(rng, pool.sizes[classes].ravel(), count[1] + count[2]).reshape(*classes.shape, -1)
    rows = pool.rows[pool.first_row[classes][:, :, None] + chosen]
    return Draw(
        labels=pool.labels[classes],
        support=rows[:, :, : count[1]],
        queries=rows[:, :, count[1] :],
        groups=None if within is None else pool.names[group],
        notes=pool.notes,
    )


def given_episodes(labels: object, groups: object, asks: object) -> Draw:
    """Episodes that a data set brings with it: each group is one; its rows with `asks` are to be named, the others known.

    Shapes:  labels, groups and asks (N,), asks True or False
    Errors:  InputError where groups differ in their numbers of classes, or classes in theirs of images

    >>> given_episodes([0, 1, 0, 1], ["one"] * 4, [False, False, True, True]).queries.tolist()
    [[[2], [3]]]
    """
    codes = exact_labels("labels", labels, len(as_array(labels)))
    names, flags = sample_names("groups", groups, len(codes)), as_array(asks)
    if flags.dtype != np.bool_ or flags.shape != codes.shape:
        raise InputError(f"asks must be {len(codes)} flags, got {flags.dtype} of shape {flags.shape}")
    kinds, group = np.unique(names, return_inverse=True)
    rows = np.lexsort((np.arange(len(codes)), flags, codes, group))
    found, counts = np.unique(np.stack([group, codes, flags])[:, rows], axis=1, return_counts=True)
    images = {asked: counts[found[2] == asked] for asked in (0, 1)}
    ways = np.bincount(found[0, found[2] == 0], minlength=len(kinds))
    paired = np.array_equal(found[:2, found[2] == 0], found[:2, found[2] == 1])
    if not paired or any(len(set(each.tolist())) != 1 for each in (ways, *images.values())):
        raise InputError(
            "the episodes must be alike: as many classes in every group, as many images of each class that are known, "
            "and as many that are asked"
        )
    known, asked = (rows[flags[rows] == each].reshape(len(kinds), ways[0], -1) for each in (False, True))
    return Draw(labels=codes[known[:, :, 0]], support=known, queries=asked, groups=kinds)


def distinct(rng: np.random.Generator, sizes: Array, count: int) -> Array:
    """`count` distinct numbers below each of `sizes` (M,), in the order drawn, (M, count): every order equally likely.

    The j-th draw is one of the size - j numbers not yet taken, found by stepping over those that are, smallest first.
    """
    taken = np.empty((len(sizes), 0), dtype=np.int64)
    drawn = np.empty((len(sizes), count), dtype=np.int64)
    for place in range(count):
        number = rng.integers(0, sizes - place)
        for column in range(place):
            number += number >= taken[:, column]
        drawn[:, place] = number
        taken = np.sort(np.column_stack([taken, number]), axis=1)
    return drawn


@dataclass(frozen=True)
class _Pool:
    """Classes that may be drawn, group after group: the rows of class c are `rows[first_row[c]:][:sizes[c]]`, the classes
    of group g are `first_class[g]` and the next `classes[g]`."""

    labels: Array
    rows: Array
    first_row: Array
    sizes: Array
    names: Array
    first_class: Array
    classes: Array
    notes: tuple[str, ...]


def _pool(codes: Array, names: Array, ways: int, images: int, *, grouped: bool) -> _Pool:
    group_names, group = np.unique(names, return_inverse=True)
    rows = np.lexsort((np.arange(len(codes)), codes, group))
    starts = np.flatnonzero(np.r_[True, (np.diff(codes[rows]) != 0) | (np.diff(group[rows]) != 0)][: len(rows)])
    sizes = np.diff(np.r_[starts, len(rows)])
    large = sizes >= images
    notes = []
    if not large.all():
        notes.append(
            f"{int((~large).sum())} of {len(large)} classes were left out: they have fewer than {images} images"
        )
    first_row, sizes, of_group = starts[large], sizes[large], group[rows[starts[large]]]
    counts = np.bincount(of_group, minlength=len(group_names))
    enough = counts >= ways
    if not enough.any():
        where = f"; the group with most of them has {int(counts.max(initial=0))}" if grouped else ""
        raise InputError(
            f"episodes of {ways} classes with {images} images each cannot be drawn: "
            f"{len(sizes)} of {len(large)} classes have so many images{where}. Use fewer ways, shots or queries"
        )
    if not enough.all():
        notes.append(_without(group_names[~enough], len(enough), ways))
    kept = enough[of_group]
    classes = counts[enough]
    return _Pool(
        labels=codes[rows[first_row[kept]]],
        rows=rows,
        first_row=first_row[kept],
        sizes=sizes[kept],
        names=group_names[enough],
        first_class=np.cumsum(classes) - classes,
        classes=classes,
        notes=tuple(notes),
    )


def _without(names: Array, total: int, ways: int) -> str:
    shown = ", ".join(map(str, names[:LISTED])) + (", ..." if len(names) > LISTED else "")
    return f"{len(names)} of {total} groups were left out: they have fewer than {ways} classes with enough images ({shown})"
