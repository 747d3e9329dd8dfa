"""Tables to open below a result: every score, every pair of methods, every class."""

from __future__ import annotations

from collections.abc import Sequence

from nearkin.report.markup import Markup, join, stacked, tag
from nearkin.report.numerals import probability, share, signed, span
from nearkin.report.summary import ProtocolSummary, Summary
from nearkin.report.titles import score_meanings, score_title
from nearkin.statistics import Difference, Interval

CLASSES_LISTED = 60
PAIRS = (
    "All pairs at once: the intervals hold together with 95 % confidence (Bonferroni), "
    "so they are wider than those of single differences."
)


def folded_tables(summary: Summary, protocol: ProtocolSummary) -> Markup:
    """The three of them; without pairs or classes those are left out."""
    return join(
        _folded("Every score", "; ".join(score_meanings(protocol.scores)) + ".", _every_score(protocol)),
        _folded("Every pair of methods", PAIRS, _every_pair(protocol)) if protocol.pairs else None,
        _folded("Every class", _about_classes(summary, protocol), _every_class(protocol))
        if _classes(protocol)
        else None,
    )


def _folded(title: str, about: str, table: Markup) -> Markup:
    return tag("details", tag("summary", title), tag("p", about, class_="note"), tag("div", table, class_="scroll"))


def _table(heads: Sequence[object], rows: Sequence[Sequence[object]]) -> Markup:
    """A table whose first column heads the rows and whose other columns are numbers."""
    head = [tag("th", name, scope="col", class_="number" if i else None) for i, name in enumerate(heads)]
    body = [
        tag("tr", tag("th", first, scope="row"), *(tag("td", cell, class_="number") for cell in cells))
        for first, *cells in rows
    ]
    return tag("table", tag("thead", tag("tr", *head)), tag("tbody", *body), class_="plain")


def _every_score(protocol: ProtocolSummary) -> Markup:
    names = protocol.scores
    rows = [[row.method.name, *(_score(row.scores.get(name)) for name in names)] for row in protocol.rows]
    return _table(["Method", *map(score_title, names)], rows)


def _score(score: Interval | None) -> object:
    return stacked(share(score.estimate), span(score.low, score.high)) if score else "–"


def _every_pair(protocol: ProtocolSummary) -> Markup:
    return _table(
        ["Pair", "Difference", "Simultaneous interval", "p, adjusted", "Verdict"],
        [
            [
                f"{pair.a} minus {pair.b}",
                signed(pair.estimate),
                span(pair.low, pair.high, sign=True),
                probability(pair.p_adjusted),
                _verdict(pair),
            ]
            for pair in protocol.pairs
        ],
    )


def _verdict(pair: Difference) -> str:
    if pair.p is None:
        return "not tested"
    return "different" if pair.claimed else "equal"


def _classes(protocol: ProtocolSummary) -> list[tuple[str, int]]:
    """Classes that have a score under some method, with their numbers of images."""
    sizes = zip(protocol.classes, protocol.class_sizes)
    return [(name, size) for name, size in sizes if any(name in row.classes for row in protocol.rows)]


def _about_classes(summary: Summary, protocol: ProtocolSummary) -> str:
    about = f"{score_title(summary.study.primary)} of the test images of each class, mean over seeds."
    total = len(_classes(protocol))
    if total <= CLASSES_LISTED:
        return about
    return f"{about} The first {CLASSES_LISTED} of {total:,} classes; results.json has all."


def _every_class(protocol: ProtocolSummary) -> Markup:
    rows = [
        [name, f"{size:,}", *(share(row.classes[name]) if name in row.classes else "–" for row in protocol.rows)]
        for name, size in _classes(protocol)[:CLASSES_LISTED]
    ]
    return _table(["Class", "Images", *(row.method.name for row in protocol.rows)], rows)
