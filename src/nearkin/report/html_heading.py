"""The top of the page: what was compared, on what, how, and what came out in a few sentences."""

from __future__ import annotations

from nearkin.report.markup import Markup, join, tag
from nearkin.report.numerals import count
from nearkin.report.summary import Summary
from nearkin.report.titles import score_meaning, score_title
from nearkin.report.words import listed, tuning


def heading(summary: Summary) -> Markup:
    """Title, one sentence, and the facts that everything below depends on."""
    study = summary.study
    protocols = listed([protocol.split.protocol for protocol in summary.protocols])
    lead = (
        f"{count(len(study.methods), 'method')} compared on {study.data.name}: {count(study.data.images, 'image')} of "
        f"{count(len(study.data.classes), 'class', 'classes')}, {protocols}, {count(len(study.seeds), 'seed')}."
    )
    return tag(
        "header",
        tag("p", "nearkin comparison", class_="eyebrow"),
        tag("h1", study.name),
        tag("p", lead, class_="lead"),
        tag("dl", *(_fact(name, value) for name, value in _facts(summary)), class_="facts"),
    )


def _facts(summary: Summary) -> list[tuple[str, object]]:
    study = summary.study
    size = " × ".join(str(side) for side in (*study.data.image_size[1:], *study.data.image_size[:1]))
    budget = (
        join(*(tag("span", f"{name}: {value}", class_="line") for name, value in study.budget.items()))
        if study.budget
        else "not recorded"
    )
    return [
        (
            "Data",
            join(
                tag("span", f"{study.data.name}, {size}", class_="line"),
                *(tag("span", note, class_="line note") for note in study.data.notes),
            ),
        ),
        ("Measure", join(score_title(study.primary), tag("span", score_meaning(study.primary), class_="line note"))),
        ("Baseline", study.baseline),
        ("Seeds", listed([str(seed) for seed in study.seeds])),
        ("Budget of every method", budget),
        ("Settings", tuning(summary)),
    ]


def _fact(name: str, value: object) -> Markup:
    return tag("div", tag("dt", name), tag("dd", value))
