"""How a gallery's answers read on a terminal: short, aligned, and with what they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from nearkin.cli.answers import aligned

if TYPE_CHECKING:
    from nearkin.gallery import Answer, Gallery, Nearby, Pair

FIRST = 5
"""Lines of a list that are shown; the rest is counted."""


def warn(text: str) -> None:
    """A line that a person should see, on stderr."""
    click.echo(click.style("! ", fg="yellow") + text, err=True)


def columns(rows: Sequence[tuple[str, ...]], *, indent: str = "  ") -> None:
    """Print rows in columns."""
    click.echo(aligned(rows, indent=indent))


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    >>> counted(1, "image"), counted(2000, "image"), counted(2, "class", "classes")
    ('1 image', '2,000 images', '2 classes')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def first_of(lines: Sequence[str], most: int = FIRST) -> list[str]:
    """The first lines, and how many more there are."""
    return [*lines[:most], *([f"and {len(lines) - most:,} more (--json lists all)"] if len(lines) > most else [])]


def say_bad(bad: Sequence[tuple[str, str]]) -> None:
    """Files that were left out."""
    if bad:
        warn(f"{counted(len(bad), 'file')} left out:")
        for line in first_of([reason for _, reason in bad]):
            click.echo(f"    {line}", err=True)


def answered(answer: Answer) -> None:
    """One photo's answer with everything that it rests on."""
    from nearkin.gallery.answers import shown

    best = answer.candidates[0]
    click.echo(f"{answer.image}: {verdict(answer)}")
    beyond = "" if answer.threshold is None else f", {'within' if answer.decision == 'named' else 'beyond'} {shown(answer.threshold)}"
    rows = [("distance", f"{shown(answer.distance)} to the nearest of {best.label}{beyond}")]
    if answer.probability is not None:
        others = "".join(f", {each.label} {sure(each.probability or 0)}" for each in answer.candidates[1:4])
        rows.append(("likely", f"{best.label} {sure(answer.probability)}{others}, if it is an enrolled class"))
    near = aligned([(shown(each.distance), each.label, each.source) for each in answer.neighbours[:FIRST]]).splitlines()
    rows += [("nearest" if not place else "", line) for place, line in enumerate(near)]
    columns(rows)
    for remark in answer.remarks:
        warn(remark)
    footer([answer])


def answers_table(answers: Sequence[Answer]) -> None:
    """Many photos' answers, a line each."""
    from nearkin.gallery.answers import shown

    rows = []
    for answer in answers:
        likely = "" if answer.probability is None or answer.label is None else sure(answer.probability)
        best = answer.candidates[0].label
        after = f"nearest is {best}" if answer.decision == "unknown" else ""
        rows.append((answer.image, verdict(answer, plain=True), likely.rjust(8), shown(answer.distance), after))
    for answer, line in zip(answers, aligned(rows).splitlines()):
        click.echo(click.style(line, fg="yellow") if answer.decision == "unknown" else line)
    named = sum(answer.decision == "named" for answer in answers)
    if answers[0].threshold is not None:
        click.echo(f"\n{named:,} of {len(answers):,} named; columns: image, class, probability, distance")
    footer(answers)


def verdict(answer: Answer, *, plain: bool = False) -> str:
    """The class, or that it is none."""
    if answer.label is None:
        return "unknown" if plain else click.style("unknown", fg="yellow", bold=True)
    return answer.label if plain else click.style(answer.label, fg="green", bold=True)


def footer(answers: Sequence[Answer]) -> None:
    """What the answers promise, or why they promise nothing."""
    from nearkin.gallery.answers import percent, shown

    first = answers[0]
    if first.promise is None or first.threshold is None:
        warn("not calibrated: every photo gets the nearest class, known or not; nearkin gallery info names the command for it")
        return
    kept = first.promise
    click.echo(
        click.style(
            f"Named within {shown(first.threshold)}: of photos of classes not enrolled, at most {percent(kept.rate)} get a name "
            f"({percent(kept.confidence)} bound over {kept.classes:,} classes).",
            dim=True,
        )
    )
    if kept.outgrown:
        warn(kept.outgrown)


def calibrating_line(gallery: Gallery) -> str:
    """The command that calibrates a gallery, with a rate that it supports."""
    rate = gallery.supported_promise()
    promise = f"--false-accept {rate:g}" if rate is not None else "--false-accept 0.2 --unknowns FOLDER   (photos of classes that are not enrolled)"
    return f"nearkin gallery calibrate -g {gallery.folder} {promise}"


def sure(probability: float) -> str:
    """A probability as people read it; none is certain."""
    from nearkin.gallery.answers import percent

    return percent(min(probability, 1 - 1e-9))


def compared(pair: Pair) -> None:
    """Whether two photos are of one class."""
    from nearkin.gallery.answers import percent, shown

    colour = {"same": "green", "different": "yellow"}.get(pair.decision)
    click.echo(f"{pair.first} and {pair.second}: {click.style(pair.decision, fg=colour, bold=True)}")
    if pair.threshold is None:
        columns([("distance", shown(pair.distance))])
        warn("no threshold for pairs: nearkin gallery calibrate finds one, where there are enough pairs")
        return
    side = "within" if pair.decision == "same" else "beyond"
    columns([("distance", f"{shown(pair.distance)}, {side} {shown(pair.threshold)}")])
    rates = (
        f"The threshold accepts {percent(pair.false_accepts or 0)} of {pair.impostor_pairs:,} pairs of two classes, "
        f"and {percent(pair.true_accepts or 0)} of {counted(pair.positive_pairs, 'pair')} of one."
    )
    click.echo(click.style(rates, dim=True))


def listed(found: Nearby) -> None:
    """The nearest enrolled images."""
    from nearkin.gallery.answers import shown

    rows = [
        (str(place), each.label, shown(each.distance), f"#{each.id}", each.source)
        for place, each in enumerate(found.neighbours, 1)
    ]
    columns([("", "class", "distance", "image", "enrolled from"), *rows])
