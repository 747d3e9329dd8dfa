"""The result as tables for a terminal, one a protocol: methods as rows, every number with its interval."""

from __future__ import annotations

import unicodedata

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nearkin.report.episodes import episode_table
from nearkin.report.study import COMPARED
from nearkin.report.summary import ProtocolSummary, Row, Summary
from nearkin.report.titles import headline_scores, score_title
from nearkin.report.words import covered, findings, tuning
from nearkin.statistics import Interval

STYLES = {
    "better": "green",
    "worse": "red",
    "equal": "dim",
    "unclear": "dim",
    "not tested": "dim",
    "unfinished": "yellow",
    "baseline": "dim",
}


def to_table(summary: Summary) -> Group:
    """Everything that a terminal shows of a study: for `rich.print` or `Console.print`."""
    parts: list[RenderableType] = []
    for protocol in summary.protocols:
        parts += [
            _table(summary, protocol),
            *_episodes(protocol),
            *(Text("  " + literal(said), style="dim") for said in findings(summary, protocol)),
            Text(""),
        ]
    return Group(*parts)


def literal(text: str) -> str:
    """The text with control characters spelt out, so that a class or method name cannot steer the terminal.

    >>> literal("a\\x1b[2Jb")
    'a\\\\x1b[2Jb'
    """
    return "".join(char if unicodedata.category(char)[0] != "C" else repr(char)[1:-1] for char in text)


def _table(summary: Summary, protocol: ProtocolSummary) -> Table:
    study, split = summary.study, protocol.split
    scores = headline_scores(protocol.scores)
    title = f"{study.name}, {split.protocol}: {tuning(summary)}"
    seeds = "seed" if len(study.seeds) == 1 else "seeds"
    sizes = (
        f"{len(split.test):,} test images, {len(protocol.classes):,} classes, {seeds} {', '.join(map(str, study.seeds))}"
    )
    over = covered(summary, protocol)
    caption = sizes + (f"; 95 % intervals over {over}" if over else "") + (", NMI over seeds" if len(study.seeds) > 1 else "")
    table = Table(
        title=Text(literal(title)),
        caption=Text(literal(caption)),
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        padding=(0, 1),
    )
    table.add_column("method", overflow="fold")
    for name in scores:
        table.add_column(score_title(name), justify="right", no_wrap=True)
    table.add_column(Text(literal(f"minus {study.baseline}")), justify="left", min_width=13, overflow="fold")
    for place, row in enumerate(protocol.rows):
        last_trained = (
            row.method.kind in COMPARED
            and place + 1 < len(protocol.rows)
            and protocol.rows[place + 1].method.kind not in COMPARED
        )
        cells = [_score(row.scores.get(name)) for name in scores]
        table.add_row(Text(literal(row.method.name)), *cells, _difference(row), end_section=last_trained)
    return table


def _episodes(protocol: ProtocolSummary) -> list[Table]:
    """The table of episodes; none where the study has none."""
    found = episode_table(protocol)
    if found is None:
        return []
    table = Table(title=Text("episodes"), box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1))
    table.add_column("method", overflow="fold")
    table.add_column("of", overflow="fold")
    for ways, shots in found.sizes:
        table.add_column(f"{ways}-way\n{shots}-shot", justify="right", no_wrap=True)
    for place, line in enumerate(found.lines):
        last = found.lines[place + 1 :][:1] != () and found.lines[place + 1].where != line.where
        table.add_row(Text(literal(line.method)), line.where, *map(_score, line.scores), end_section=last)
    return [table]


def _score(score: Interval | None) -> Text:
    if score is None:
        return Text("-", style="dim")
    return _stacked(Text(f"{score.estimate:.3f}"), score.low, score.high, "")


def _difference(row: Row) -> Text:
    """The difference and its verdict, above its interval."""
    verdict = Text(row.verdict, style=STYLES[row.verdict])
    if row.difference is None:
        return verdict
    value = Text.assemble(f"{row.difference.estimate:+.3f} ", verdict)
    return _stacked(value, row.difference.low, row.difference.high, "+")


def _stacked(value: Text, low: float | None, high: float | None, sign: str) -> Text:
    """The number, and its interval in a second line, so that the table fits into 80 columns."""
    if low is None or high is None:
        return value
    return Text.assemble(value, "\n", (f"{_short(low, sign)} {_short(high, sign)}", "dim"))


def _short(value: float, sign: str) -> str:
    """Three decimals without the zero before the point; 1.00 where there is more than a fraction.

    >>> _short(0.25, ""), _short(-0.25, "+"), _short(1.0, "")
    ('.250', '-.250', '1.00')
    """
    text = f"{value:{sign}.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 0.9995 else text[:-1]
