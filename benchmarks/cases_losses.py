"""Losses whose terms meet all negatives of an anchor, against the peer at three sizes; their memory at a fourth."""

from __future__ import annotations

from functools import partial

from batches import TINY, tight_rows, unit_rows
from contenders import distance_floors, our_loss, ours, pml
from counterparts import BATCH_HARD, COUNTERPARTS, Counterpart
from harness import PML, Case, Setup, Target

PER_CLASS = 4

LISTING = {"nt-xent", "lifted", "tuplet-margin"}
"""Losses for which the peer makes an array of positive pairs x negative pairs: 12 GB at B=1024, not run there."""

ROUGH = {("tuplet-margin", 256)}
"""Where the peer's float32 is too far off (8e-3) for a comparison of times."""

FASTER = {("nt-xent", 256): 500.0, ("lifted", 256): 900.0}

NAMES = {
    "supcon": COUNTERPARTS["supcon"],
    "multi-similarity": COUNTERPARTS["multi-similarity"],
    "contrastive": COUNTERPARTS["contrastive"],
    "circle": COUNTERPARTS["circle"],
    "angular": COUNTERPARTS["angular"],
    "batch-hard": BATCH_HARD,
    "generalized-lifted": COUNTERPARTS["generalized-lifted"],
    "nt-xent": COUNTERPARTS["nt-xent"],
    "lifted": COUNTERPARTS["lifted"],
    "tuplet-margin": COUNTERPARTS["tuplet-margin"],
}


def _loss(small: bool, *, title: str, counterpart: Counterpart, count: int) -> Setup:
    batch = unit_rows(TINY if small else count, PER_CLASS)
    classes = len(batch.rows) // PER_CLASS
    loss = our_loss("triplet" if title == "batch-hard" else title, **counterpart.options(classes))
    contenders, notes = [ours(loss, batch)], []
    theirs = counterpart.theirs
    if count > 1024:
        return Setup(contenders)
    if title in LISTING and count > 256:
        notes.append(
            f"{PML} not run: an array of {count * (PER_CLASS - 1) * count * (count - PER_CLASS) / 2**28:.0f} GB"
        )
    elif theirs is not None:
        contenders += pml(batch, lambda library: theirs(library, loss, classes))
    truth = None if counterpart.truth is None else partial(counterpart.truth, batch)
    return Setup([*contenders, *distance_floors(batch)], truth, notes)


def _case(title: str, counterpart: Counterpart, count: int) -> Case:
    make = partial(_loss, title=title, counterpart=counterpart, count=count)
    name = f"losses/{title} B={count}"
    if count > 1024:
        return Case(name, make, [Target("memory", 300)], timed=False)
    alone = (title in LISTING and count > 256) or (title, count) in ROUGH
    faster = [] if alone else [Target("faster", FASTER.get((title, count), 1), PML)]
    targets = [*faster, Target("error", 1e-6)]
    return Case(name, make, targets, weighed=False)


TIGHT = "supcon", "multi-similarity", "contrastive", "batch-hard", "generalized-lifted"
"""Losses that are also measured on rows in tight classes, most of whose pairs of a class a product in float32 spoils."""


def _tight(small: bool, *, title: str, count: int) -> Setup:
    counterpart, batch = NAMES[title], tight_rows(TINY if small else count)
    loss = our_loss("triplet" if title == "batch-hard" else title, **counterpart.options(10))
    theirs = counterpart.theirs
    peers = [] if theirs is None else pml(batch, lambda library: theirs(library, loss, 10))
    truth = None if counterpart.truth is None else partial(counterpart.truth, batch)
    return Setup([ours(loss, batch), *peers, *distance_floors(batch)], truth)


CASES = [_case(title, one, count) for title, one in NAMES.items() for count in (64, 256, 1024, 4096)]
CASES += [
    Case(f"tight/{title} B={count}", partial(_tight, title=title, count=count), [Target("error", 1e-6)], weighed=False)
    for title in TIGHT
    for count in (64, 256, 1024)
]
