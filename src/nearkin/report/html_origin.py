"""The end of the page: what the study shows and does not, the settings, and where everything came from."""

from __future__ import annotations

from collections.abc import Mapping

from nearkin.report.markup import Markup, join, tag
from nearkin.report.numerals import count, duration, percent, share
from nearkin.report.settings import flat
from nearkin.report.study import Method, Run
from nearkin.report.summary import Summary
from nearkin.report.titles import score_title
from nearkin.report.words import limits, shows

SAID_ELSEWHERE = ("protocol", "data_hash")


def reading(summary: Summary) -> Markup:
    """Two lists side by side: what this shows, what it does not."""
    return tag(
        "div",
        tag("div", tag("h3", "What this shows"), tag("ul", *(tag("li", said) for said in shows(summary)))),
        tag("div", tag("h3", "What it does not show"), tag("ul", *(tag("li", said) for said in limits(summary)))),
        class_="two",
    )


def settings(summary: Summary) -> Markup:
    """Shared settings once, then each method with its own."""
    shared = join(tag("h3", "The same for all trained methods"), _pairs(summary.shared)) if summary.shared else None
    return join(
        shared,
        tag("div", *(_method(method, summary.own[method.name]) for method in summary.study.methods), class_="methods"),
    )


def _method(method: Method, own: Mapping[str, str]) -> Markup:
    return tag(
        "article",
        tag("h4", method.name),
        tag("p", method.description, class_="note") if method.description else None,
        _pairs(own),
    )


def _pairs(values: Mapping[str, str]) -> Markup | None:
    if not values:
        return None
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in values.items()), class_="pairs")


def origin(summary: Summary) -> Markup:
    """The command, versions, hashes and runs."""
    study = summary.study
    facts: list[tuple[str, object]] = [
        ("To reproduce", tag("code", study.command) if study.command else "not recorded"),
        ("To make this page again", tag("code", f"nearkin report {study.folder.name}")),
        ("Data", join(study.data.source or study.data.name, tag("span", tag("code", study.data.hash), class_="line"))),
        (
            "Versions",
            ", ".join([f"nearkin {study.nearkin}", *(f"{name} {version}" for name, version in study.versions.items())]),
        ),
        ("Started", study.created or "not recorded"),
        (
            "Splits",
            join(
                *(
                    _split(protocol.split.protocol, protocol.split.seed, protocol.split.description)
                    for protocol in summary.protocols
                )
            ),
        ),
    ]
    return join(
        tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts), class_="origin"),
        _runs(summary),
    )


def _split(protocol: str, seed: int, description: Mapping[str, object]) -> Markup:
    said = [f"{name} {value}" for name, value in flat(description).items() if name not in SAID_ELSEWHERE]
    return tag("span", ", ".join([f"{protocol}: seed {seed}", *said]), class_="line")


def _runs(summary: Summary) -> Markup:
    study = summary.study
    heads = ["Run", "Method", "Protocol", "Seed", score_title(study.primary), "Best step", "Time", "A step's time"]
    rows = [
        tag(
            "tr",
            tag("th", tag("code", run.key), scope="row"),
            *(tag("td", text) for text in (run.method, run.protocol)),
            *(
                tag("td", text, class_="number")
                for text in (run.seed, _primary(run, study.primary), run.best_step or "–", duration(run.seconds))
            ),
            tag("td", spent(run.shares)),
            tag("td", "; ".join(run.notes), class_="note"),
        )
        for run in study.runs
    ]
    head = tag(
        "tr",
        *(tag("th", name, scope="col", class_="number" if 2 < i < 7 else None) for i, name in enumerate(heads)),
        tag("th", "Notes", scope="col"),
    )
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="plain")
    return tag("details", tag("summary", count(len(study.runs), "run")), tag("div", table, class_="scroll"))


def spent(shares: Mapping[str, float]) -> str:
    """What the steps of a run spent their time on, the largest part first; a dash where it was not measured.

    >>> spent({"input": 0.0213, "network": 0.95, "loss": 0.0282})
    'network 95.0 %, loss 2.8 %, input 2.1 %'
    """
    parts = sorted(shares.items(), key=lambda part: -part[1])
    return ", ".join(f"{name} {percent(value, 1)}" for name, value in parts) or "–"


def _primary(run: Run, score: str) -> str:
    return share(run.scores[score]) if score in run.scores else "–"
