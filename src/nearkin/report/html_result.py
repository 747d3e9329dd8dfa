"""The result of each protocol: findings in words, the table with the differences drawn beside it, and three tables to open."""

from __future__ import annotations

from nearkin.report.markup import Markup, join, tag
from nearkin.report.numerals import count, probability, share, signed, span
from nearkin.report.summary import ProtocolSummary, Row, Summary
from nearkin.report.words import PROTOCOLS, findings, headline_scores, score_meaning, score_title, tuning
from nearkin.statistics import Difference, Interval

CLASSES_LISTED = 60


def results(summary: Summary) -> Markup:
    """One part a protocol."""
    return join(*(_result(summary, protocol, place) for place, protocol in enumerate(summary.protocols)))


def _result(summary: Summary, protocol: ProtocolSummary, place: int) -> Markup:
    split = protocol.split
    sizes = f"{count(len(split.test), 'test image')} of {count(len(protocol.classes), 'class', 'classes')}; {split.train:,} for training, {split.validation:,} for validation."
    return tag(
        "section",
        tag("h3", split.protocol),
        tag("p", sizes, " ", PROTOCOLS.get(split.protocol, ""), class_="under"),
        tag("ul", *(tag("li", said) for said in findings(summary, protocol)), class_="findings"),
        _table(summary, protocol, place),
        _all_scores(protocol),
        _pairs(protocol),
        _by_class(summary, protocol),
        class_="result",
        aria_label=split.protocol,
    )


def _table(summary: Summary, protocol: ProtocolSummary, place: int) -> Markup:
    study = summary.study
    scores = headline_scores(protocol.scores)
    references = next((i for i, row in enumerate(protocol.rows) if row.method.kind != "trained"), None)
    head = tag(
        "tr",
        tag("th", "Method", scope="col", role="columnheader"),
        *(tag("th", score_title(name), title=score_meaning(name), class_="number", scope="col", role="columnheader") for name in scores),
        tag("th", tag("span", f"{score_title(study.primary)} minus {study.baseline}", class_="axis-title"), tag("span", class_="axis"), class_="plot", scope="col", role="columnheader"),
        tag("th", "Difference", class_="number", scope="col", role="columnheader"),
        tag("th", "Verdict", scope="col", role="columnheader"),
        role="row",
    )
    body = [_row(row, scores, i, i == references) for i, row in enumerate(protocol.rows)]
    caption = tag("caption", tag("span", tuning(summary), class_="badge"), " Means over seeds; below each, its 95 % interval. Verdicts after Holm’s correction.")
    return tag(
        "div",
        tag("table", caption, tag("thead", head, role="rowgroup"), tag("tbody", *body, role="rowgroup"), class_="results", role="table", data_protocol=place),
        class_="wide",
    )


def _row(row: Row, scores: tuple[str, ...], place: int, first_reference: bool) -> Markup:
    name = tag("th", tag("span", row.method.name, class_="name"), tag("span", row.method.description, class_="below"), scope="row", role="rowheader")
    cells = [_score(score_title(key), row.scores.get(key)) for key in scores]
    found = row.difference
    number = join(signed(found.estimate), tag("span", span(found.low, found.high, sign=True), class_="below")) if found else "–"
    return tag(
        "tr",
        name,
        *cells,
        tag("td", class_="plot", data_row=place, role="cell"),
        tag("td", number, class_="number", data_label="difference", role="cell"),
        tag("td", tag("span", row.verdict, class_=f"verdict {row.verdict.replace(' ', '-')}"), tag("span", _what_could_be_seen(row), class_="below"), class_="said", title=row.detail, role="cell"),
        class_="reference" if first_reference else None,
        role="row",
    )  # fmt: skip


def _what_could_be_seen(row: Row) -> str:
    if row.verdict not in ("equal", "unclear") or row.difference is None or row.difference.detectable is None:
        return ""
    return f"could see {share(row.difference.detectable)}"


def _score(title: str, score: Interval | None) -> Markup:
    if score is None:
        return tag("td", "–", class_="number", data_label=title, role="cell")
    return tag("td", share(score.estimate), tag("span", span(score.low, score.high), class_="below"), class_="number", data_label=title, title=score.note or None, role="cell")


def _folded(title: str, about: str, table: Markup) -> Markup:
    return tag("details", tag("summary", title), tag("p", about, class_="note"), tag("div", table, class_="scroll"))


def _plain_table(heads: list[object], rows: list[list[object]]) -> Markup:
    """A table whose first column heads the rows and whose other columns are numbers."""
    head = tag("tr", *(tag("th", name, scope="col", class_="number" if i else None) for i, name in enumerate(heads)))
    body = [tag("tr", tag("th", cells[0], scope="row"), *(tag("td", cell, class_="number") for cell in cells[1:])) for cells in rows]
    return tag("table", tag("thead", head), tag("tbody", *body), class_="plain")


def _all_scores(protocol: ProtocolSummary) -> Markup:
    names = protocol.scores
    rows: list[list[object]] = []
    for row in protocol.rows:
        found = [row.scores.get(name) for name in names]
        rows.append([row.method.name, *(join(share(one.estimate), tag("span", span(one.low, one.high), class_="below")) if one else "–" for one in found)])
    meanings = "; ".join(f"{score_title(name)}: {score_meaning(name)}" for name in names if score_meaning(name))
    return _folded("Every score", f"{meanings}.", _plain_table(["Method", *map(score_title, names)], rows))


def _pairs(protocol: ProtocolSummary) -> Markup | None:
    if not protocol.pairs:
        return None
    rows = [[f"{pair.a} minus {pair.b}", signed(pair.estimate), span(pair.low, pair.high, sign=True), probability(pair.p_adjusted), _pair_verdict(pair)] for pair in protocol.pairs]
    about = "All pairs at once: the intervals hold together with 95 % confidence (Bonferroni), so they are wider than those of single differences."
    return _folded("Every pair of methods", about, _plain_table(["Pair", "Difference", "Simultaneous interval", "p, adjusted", "Verdict"], [list(row) for row in rows]))


def _pair_verdict(pair: Difference) -> str:
    if pair.p is None:
        return "not tested"
    return "different" if pair.claimed else "equal"


def _by_class(summary: Summary, protocol: ProtocolSummary) -> Markup | None:
    listed = [(name, size) for name, size in zip(protocol.classes, protocol.class_sizes) if any(name in row.classes for row in protocol.rows)]
    if not listed:
        return None
    rows: list[list[object]] = []
    for name, size in listed[:CLASSES_LISTED]:
        rows.append([name, f"{size:,}", *(share(row.classes[name]) if name in row.classes else "–" for row in protocol.rows)])
    cut = f" The first {CLASSES_LISTED} of {len(listed):,} classes; results.json has all." if len(listed) > CLASSES_LISTED else ""
    about = f"{score_title(summary.study.primary)} of the test images of each class, mean over seeds.{cut}"
    return _folded("Every class", about, _plain_table(["Class", "Images", *(row.method.name for row in protocol.rows)], rows))
