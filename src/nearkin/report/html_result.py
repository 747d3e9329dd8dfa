"""The result of each protocol: findings in words, and the table with the differences drawn beside its numbers."""

from __future__ import annotations

from nearkin.report.episodes import ABOUT, episode_table
from nearkin.report.html_folded import folded_tables, plain_table, score_cell
from nearkin.report.markup import Markup, join, stacked, tag
from nearkin.report.numerals import count, share, signed, span
from nearkin.report.study import COMPARED
from nearkin.report.summary import ProtocolSummary, Row, Summary
from nearkin.report.titles import headline_scores, score_meaning, score_title
from nearkin.report.words import PROTOCOLS, findings, tuning
from nearkin.statistics import Interval


def results(summary: Summary) -> Markup:
    """One part a protocol."""
    return join(*(_result(summary, protocol, place) for place, protocol in enumerate(summary.protocols)))


def _result(summary: Summary, protocol: ProtocolSummary, place: int) -> Markup:
    split = protocol.split
    tested = f"{count(len(split.test), 'test image')} of {count(len(protocol.classes), 'class', 'classes')}"
    sizes = f"{tested}; {split.train:,} for training, {split.validation:,} for validation. "
    return tag(
        "section",
        tag("h3", split.protocol),
        tag("p", sizes, PROTOCOLS.get(split.protocol, ""), class_="under"),
        tag("ul", *(tag("li", said) for said in findings(summary, protocol)), class_="findings"),
        tag("div", _table(summary, protocol, place), class_="wide"),
        _episodes(protocol),
        folded_tables(summary, protocol),
        class_="result",
        aria_label=split.protocol,
    )


def _episodes(protocol: ProtocolSummary) -> Markup | None:
    """The table of episodes; nothing where the study has none."""
    found = episode_table(protocol)
    if found is None:
        return None
    heads = ["Method", *(f"{ways}-way {shots}-shot" for ways, shots in found.sizes)]
    cells = [[stacked(line.method, line.where), *map(score_cell, line.scores)] for line in found.lines]
    return join(tag("h4", "Episodes"), tag("p", ABOUT, class_="note"), tag("div", plain_table(heads, cells), class_="scroll"))


def _table(summary: Summary, protocol: ProtocolSummary, place: int) -> Markup:
    scores = headline_scores(protocol.scores)
    badge = tag("span", tuning(summary), class_="badge")
    caption = tag(
        "caption", badge, " Means over seeds; below each, its 95 % interval. Verdicts after Holm’s correction."
    )
    references = [i for i, row in enumerate(protocol.rows) if row.method.kind not in COMPARED]
    rows = [_row(row, scores, i, first_reference=references[:1] == [i]) for i, row in enumerate(protocol.rows)]
    return tag(
        "table",
        caption,
        tag("thead", _head(summary, scores), role="rowgroup"),
        tag("tbody", *rows, role="rowgroup"),
        class_="results",
        role="table",  # said again, because small screens lay the cells out as blocks
        data_protocol=place,
    )


def _head(summary: Summary, scores: tuple[str, ...]) -> Markup:
    minus = f"{score_title(summary.study.primary)} minus {summary.study.baseline}"
    axis = join(tag("span", minus, class_="axis-title"), tag("span", class_="axis"))
    columns: list[tuple[object, str | None, str | None]] = [
        ("Method", None, None),
        *((score_title(name), "number", score_meaning(name)) for name in scores),
        (axis, "plot", None),
        ("Difference", "number", None),
        ("Verdict", None, None),
    ]
    heads = [
        tag("th", text, class_=kind, title=about, scope="col", role="columnheader") for text, kind, about in columns
    ]
    return tag("tr", *heads, role="row")


def _row(row: Row, scores: tuple[str, ...], place: int, *, first_reference: bool) -> Markup:
    found = row.difference
    difference = stacked(signed(found.estimate), span(found.low, found.high, sign=True)) if found else "–"
    verdict = tag("span", row.verdict, class_=f"verdict {row.verdict.replace(' ', '-')}")
    name = tag("span", row.method.name, class_="name")
    return tag(
        "tr",
        tag("th", stacked(name, row.method.description), scope="row", role="rowheader"),
        *(_score(score_title(key), row.scores.get(key)) for key in scores),
        tag("td", class_="plot", data_row=place, role="cell"),
        tag("td", difference, class_="number", data_label="difference", role="cell"),
        tag("td", stacked(verdict, _what_could_be_seen(row)), class_="said", title=row.detail, role="cell"),
        class_="reference" if first_reference else None,
        role="row",
    )


def _what_could_be_seen(row: Row) -> str:
    if row.verdict not in ("equal", "unclear") or row.difference is None or row.difference.detectable is None:
        return ""
    return f"could see {share(row.difference.detectable)}"


def _score(title: str, score: Interval | None) -> Markup:
    if score is None:
        return tag("td", "–", class_="number", data_label=title, role="cell")
    text = stacked(share(score.estimate), span(score.low, score.high))
    return tag("td", text, class_="number", data_label=title, title=score.note or None, role="cell")
