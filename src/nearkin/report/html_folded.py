"""Tables to open below a result: every score, every pair of methods, every class, every method's trials."""

from __future__ import annotations

from collections.abc import Sequence

from nearkin.report.markup import Markup, join, stacked, tag
from nearkin.report.numerals import probability, share, signed, span
from nearkin.report.summary import ProtocolSummary, Summary
from nearkin.report.titles import score_meanings, score_title
from nearkin.report.trials import Trials
from nearkin.statistics import Difference, Interval

CLASSES_LISTED = 60
PAIRS = (
    "All pairs at once: the intervals hold together with 95 % confidence (Bonferroni), "
    "so they are wider than those of single differences."
)
TRIALS = (
    "Settings were searched for on validation images, with equally many trials for every method; the first trial is the "
    "recipe's own settings. The scores are those of the validation images, each of one run. Methods that differ by less than "
    "their trials do may differ by their settings only."
)


def folded_tables(summary: Summary, protocol: ProtocolSummary) -> Markup:
    """All of them; without pairs, classes or trials those are left out."""
    return join(
        _folded("Every score", "; ".join(score_meanings(protocol.scores)) + ".", _every_score(protocol)),
        _folded("Every pair of methods", PAIRS, _every_pair(protocol)) if protocol.pairs else None,
        _folded("Every class", _about_classes(summary, protocol), _every_class(protocol))
        if _classes(protocol)
        else None,
        _folded("Every method's trials of settings", TRIALS, _every_trial(protocol)) if protocol.trials else None,
    )


def _folded(title: str, about: str, table: Markup) -> Markup:
    return tag("details", tag("summary", title), tag("p", about, class_="note"), tag("div", table, class_="scroll"))


def plain_table(heads: Sequence[object], rows: Sequence[Sequence[object]]) -> Markup:
    """A table whose first column heads the rows and whose other columns are numbers."""
    head = [tag("th", name, scope="col", class_="number" if i else None) for i, name in enumerate(heads)]
    body = [
        tag("tr", tag("th", first, scope="row"), *(tag("td", cell, class_="number") for cell in cells))
        for first, *cells in rows
    ]
    return tag("table", tag("thead", tag("tr", *head)), tag("tbody", *body), class_="plain")


def _every_score(protocol: ProtocolSummary) -> Markup:
    names = protocol.scores
    rows = [[row.method.name, *(score_cell(row.scores.get(name)) for name in names)] for row in protocol.rows]
    return plain_table(["Method", *map(score_title, names)], rows)


def score_cell(score: Interval | None) -> object:
    """A score above its interval; a dash where there is none."""
    return stacked(share(score.estimate), span(score.low, score.high)) if score else "–"


def _every_pair(protocol: ProtocolSummary) -> Markup:
    return plain_table(
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
    return plain_table(["Class", "Images", *(row.method.name for row in protocol.rows)], rows)


def _every_trial(protocol: ProtocolSummary) -> Markup:
    return plain_table(
        ["Method", "Trials", "Own settings", "Lowest", "Median", "Highest", "Chosen"],
        [
            [
                trials.method,
                stacked(str(len(trials.scores)), f"{trials.failed} broke off") if trials.failed else len(trials.scores),
                _validation(trials.scores.get(0)),
                *map(_validation, trials.spread or (None, None, None)),
                _chosen(trials),
            ]
            for trials in protocol.trials
        ],
    )


def _validation(score: float | None) -> str:
    return "–" if score is None else share(score)


def _chosen(trials: Trials) -> object:
    if trials.chosen is None:
        return "–"
    values = ", ".join(f"{name} {value}" for name, value in trials.settings.items())
    return stacked(f"trial {trials.chosen}", values) if values else f"trial {trials.chosen}"
