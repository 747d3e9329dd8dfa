"""Figures of the documents: what is seen in a sentence, the drawings with their keys, the key numbers as a table to open."""

from __future__ import annotations

from nearkin.report.figure_drawing import drawing, sample, tones
from nearkin.report.figures import Figure, Panel
from nearkin.report.markup import Markup, tag
from nearkin.report.numerals import significant
from nearkin.report.summary import Summary
from nearkin.report.words import listed

ABOUT = "Drawn again by the recipe, with numbers of its own; a document’s claim stands beside what is measured. All numbers lie in the folder figures."


def figures(summary: Summary) -> Markup:
    """The section; nothing where the study has no figures."""
    if not summary.study.figures:
        return Markup("")
    made = {figure.name for figure in summary.figures}
    missing = [name for name in summary.study.figures if name not in made]
    later = f" Not made yet: {listed(missing)}; run the study to its end." if missing else ""
    return tag(
        "section",
        tag("h2", "Figures of the documents"),
        tag("p", ABOUT + later, class_="under"),
        *(_figure(figure, place) for place, figure in enumerate(summary.figures)),
        id="figures",
    )


def _figure(figure: Figure, place: int) -> Markup:
    colours = tones(figure)
    panels = [_panel(panel, colours, f"figure-{place}-{number}") for number, panel in enumerate(figure.panels)]
    return tag(
        "article",
        tag("h3", figure.title),
        tag("p", figure.source, class_="note"),
        tag("p", figure.says, class_="says"),
        tag("div", *panels, class_="panels"),
        tag("details", tag("summary", "Key numbers"), tag("div", _table(figure), class_="scroll")),
        class_="figure",
    )


def _panel(panel: Panel, colours: dict[str, str], identity: str) -> Markup:
    samples = {series.name: sample(series, colours) for series in panel.series}
    key = tag("ul", *(tag("li", shown, name) for name, shown in samples.items()), class_="samples")
    return tag("figure", tag("figcaption", tag("h4", panel.title), key), drawing(panel, colours, identity))


def _table(figure: Figure) -> Markup:
    heads = [tag("th", name, scope="col", class_="number" if place else None) for place, name in enumerate(figure.heads)]
    rows = [
        tag("tr", tag("th", significant(first), scope="row"), *(tag("td", significant(cell), class_="number") for cell in cells))
        for first, *cells in figure.rows
    ]
    return tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows), class_="plain")
