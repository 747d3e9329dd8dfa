"""`nearkin list`: the names that a recipe may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

import click

from nearkin.cli.answers import aligned, json_option, print_json
from nearkin.core import InputError, choice, need, suggestion


def _losses() -> dict[str, str]:
    from nearkin.generation import GENERATION
    from nearkin.losses import LOSSES

    outside = {"batch": " [sees the batch as a whole]", "composition": " [made of losses]", "proxies": " [learns proxies of classes]"}
    found = {
        name: f"{_first_line(entry.make)}; {entry.source}{outside.get(entry.kind, '')}" for name, entry in LOSSES.items()
    }
    generating = {
        name: f"{_first_line(entry.make)}; {entry.source} [generates negatives or positives]"
        for name, entry in GENERATION.items()
    }
    return found | generating


def _distances() -> dict[str, str]:
    from nearkin.distances import DISTANCES

    return {name: _first_line(kind) for name, kind in DISTANCES.items()}


def _miners() -> dict[str, str]:
    from nearkin.mining import MINERS

    counted = {"all": "every valid triplet, counted and never listed", "semi-hard-set": "every triplet inside the margin, counted"}
    return counted | {name: _first_line(kind) for name, kind in MINERS.items()}


def _estimators() -> dict[str, str]:
    from nearkin.estimators import ESTIMATORS

    return {name: _first_line(kind) for name, kind in ESTIMATORS.items()}


def _backbones() -> dict[str, str]:
    from nearkin.networks import BACKBONES

    return {name: f"{entry.source}; {entry.library}'s {entry.model}" for name, entry in BACKBONES.items()}


def _datasets() -> dict[str, str]:
    from nearkin.data import CATALOGUE

    return {name: f"{entry.description} ({entry.images:,} images, {entry.classes:,} classes)" for name, entry in CATALOGUE.items()}


def _recipes() -> dict[str, str]:
    from nearkin.comparison import packaged_recipes

    return packaged_recipes()


def _figures() -> dict[str, str]:
    from nearkin.comparison.figures import FIGURES

    return {name: f"{entry.title}; {entry.source}" for name, entry in FIGURES.items()}


def _protocols() -> dict[str, str]:
    return {
        "closed-set": "every class is in training, validation and test; new images of known classes",
        "class-disjoint": "no class is in two parts; images of classes never seen in training",
        "official": "the split that the data set was published with; validation is carved out of its training part",
        "few-shot": "so many images of so many classes, some known and the others asking; other classes kept as novel",
    }


KINDS: Mapping[str, tuple[bool, Callable[[], dict[str, str]]]] = {
    "losses": (True, _losses),
    "distances": (True, _distances),
    "miners": (True, _miners),
    "estimators": (True, _estimators),
    "backbones": (True, _backbones),
    "datasets": (False, _datasets),
    "recipes": (False, _recipes),
    "protocols": (False, _protocols),
    "figures": (False, _figures),
}
"""What can be listed: whether it needs torch, and what reads it."""


@click.command("list")
@click.argument("kind", metavar=f"[{'|'.join(KINDS)}]")
@click.argument("pattern", default="*")
@json_option
def list_names(kind: str, pattern: str, as_json: bool) -> None:
    """List the names of a KIND that a recipe may use; PATTERN may have * and ?, as in 'triplet*'; capitals make no difference."""
    found = names_of(kind, pattern)
    print_json(found) if as_json else click.echo(aligned(list(found.items())))


def names_of(kind: str, pattern: str = "*") -> dict[str, str]:
    """Names and what they are. Errors: InputError for an unknown kind and for a pattern that nothing fits."""
    needs_torch, read = KINDS[choice("KIND", kind, tuple(KINDS))]
    if needs_torch:
        need("torch", extra="train", purpose=f"nearkin list {kind}")
    known = read()
    found = {name: said for name, said in sorted(known.items()) if fnmatchcase(name.lower(), pattern.lower())}
    if not found:
        raise InputError(f"none of the {kind} fits {pattern!r}{suggestion(pattern, known)}; known: {', '.join(sorted(known))}")
    return found


def _first_line(thing: object) -> str:
    """The first sentence of a docstring, without its point."""
    return (thing.__doc__ or "").strip().partition("\n")[0].rstrip(".")
