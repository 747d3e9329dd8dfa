"""`nearkin evaluate --verification --unknown LABEL`: options, lines and JSON of scores over pairs and of an open set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nearkin.core import InputError, suggestion

if TYPE_CHECKING:
    from nearkin.decision import OpenSet, Verification

Command = TypeVar("Command", bound=Callable[..., Any])

RESAMPLES = 1000


def pair_options(command: Command) -> Command:
    """Add `--verification` and `--unknown`."""
    verification = click.option(
        "--verification",
        is_flag=True,
        help="Are two rows of one class? AUC, equal error rate, TAR at FAR, over all pairs.",
    )
    unknown = click.option(
        "--unknown",
        multiple=True,
        metavar="LABEL",
        help="A class that nobody enrolled: AUROC, FPR at 95 % TPR, OSCR; repeatable.",
    )
    return verification(unknown(command))


def verification_of(rows: Any, codes: Sequence[int], *, asked: bool, distance: Any, seed: int) -> Verification | None:
    """The scores over pairs, with intervals over classes, where they were asked for."""
    if not asked:
        return None
    from nearkin.evaluation import verification_scores

    return verification_scores(rows, codes, distance=distance, bootstrap=RESAMPLES, seed=seed)


def open_set_of(
    rows: Any, codes: Sequence[int], labels: Sequence[str], unknown: tuple[str, ...], *, support: bool, distance: Any
) -> OpenSet | None:
    """The open-set scores, where classes were named that are unknown."""
    if not unknown:
        return None
    from nearkin.evaluation import open_set_scores

    if support:
        raise InputError("--unknown names classes of EMBEDDINGS that answer nobody; it does not go with --support")
    place = dict(zip(labels, codes))
    for label in unknown:
        if label not in place:
            raise InputError(f"no row has the label {label!r}, which is to be unknown{suggestion(label, place)}")
    return open_set_scores(rows, codes, unknown=[place[label] for label in unknown], distance=distance)


def verification_lines(found: Verification) -> list[tuple[str, str]]:
    """A line a score; a rate that the pairs cannot support says why."""
    lines = []
    for name, value in found.scores.items():
        interval = found.intervals.get(name)
        words = "" if interval is None else f" [{interval[0]:.4f}, {interval[1]:.4f}]"
        lines.append((name, "-" if value is None else f"{value:.4f}{words}"))
    return lines


def verification_notes(found: Verification) -> list[str]:
    """On how many pairs the scores stand, how these were measured, and what they cannot say."""
    counted = (
        f"verification: {found.positives:,} positive and {found.negatives:,} impostor pairs of {found.classes:,} classes, "
        f"by {found.scoring}; {found.positive_share:.3%} of the pairs are positive"
    )
    return [counted, *found.reasons.values(), *found.notes]


def verification_section(found: Verification) -> dict[str, Any]:
    """Plain values, fit for JSON."""
    return {
        "scores": found.scores,
        "intervals": {name: list(ends) for name, ends in found.intervals.items()},
        "eer_threshold": found.eer_threshold,
        "balanced_threshold": found.balanced_threshold,
        "positive_pairs": found.positives,
        "impostor_pairs": found.negatives,
        "classes": found.classes,
        "scoring": found.scoring,
        "notes": verification_notes(found),
    }


def open_set_lines(found: OpenSet) -> list[tuple[str, str]]:
    """A line a score."""
    return [(name, f"{value:.4f}") for name, value in found.scores.items()]


def open_set_section(found: OpenSet) -> dict[str, Any]:
    """Plain values, fit for JSON."""
    return {"scores": found.scores, "known": found.known, "unknown": found.unknown}
