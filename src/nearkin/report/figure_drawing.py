"""A panel of a figure as SVG, made here and not by a script: colours come from the page's style, so day and night fit.

Every name is escaped by `tag`. The drawing has a title and a description; its key and its numbers stand beside it as text.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nearkin.report.figure_scale import Scale, scale_of
from nearkin.report.figures import Figure, Floats, Panel, Series
from nearkin.report.markup import Markup, join, tag

WIDTH, HEIGHT = 460, 340
LEFT, RIGHT, TOP, BOTTOM = 50, 452, 32, 284
ROW = 18
"""Height of a line of text."""

TONES = ("first", "second", "third", "fourth")
LAYERS = ("steps", "line", "points")
"""From the lowest to the highest: relations lie below what is measured, densities above their histograms."""
FIXED = {"pairs of one class": "first", "pairs of two classes": "second"}
"""Series that have the colours of the page's histograms."""


def tones(figure: Figure) -> dict[str, str]:
    """The tone of every cloud and histogram of a figure, by name: one name has one colour in all its panels."""
    names = dict.fromkeys(series.name for panel in figure.panels for series in panel.series if series.kind != "line")
    taken = {name: FIXED[name] for name in names if name in FIXED}
    free = [tone for tone in TONES if tone not in taken.values()]
    others = [name for name in names if name not in taken]
    return taken | {name: free[place % len(free)] for place, name in enumerate(others)}


def classes_of(series: Series, tones: Mapping[str, str]) -> str:
    """The style of a series: its kind and tone; a line has the tone of another series or none, and is dashed with a label."""
    if series.kind == "line":
        return f"curve {tones.get(series.of, '')}".strip() + (" dashed" if series.label else "")
    return f"{series.kind} {tones[series.name]}"


def drawing(panel: Panel, tones: Mapping[str, str], identity: str) -> Markup:
    """The panel as one `svg`; `identity` begins the ids of its title and description."""
    top = TOP + ROW * len(panel.verticals)
    x = scale_of(panel.x, (series.x for series in panel.series), LEFT, RIGHT)
    y = scale_of(panel.y, (series.y for series in panel.series), BOTTOM, top)
    layers = sorted(panel.series, key=lambda series: LAYERS.index(series.kind))
    return tag(
        "svg",
        tag("title", panel.title, id=f"{identity}-title"),
        tag("desc", _description(panel), id=f"{identity}-description"),
        _axes(panel, x, y, top),
        *(
            _vertical(name, float(x.place(at)), TOP + ROW * place)
            for place, (name, at) in enumerate(sorted(panel.verticals, key=lambda line: line[1]))
            if x.low <= at <= x.high
        ),
        *(_series(series, x, y, classes_of(series, tones)) for series in layers),
        *(_label(series, x, y) for series in panel.series if series.label),
        *(_mark(name, float(x.place(at)), float(y.place(height))) for name, at, height in panel.marks if _inside(at, height, x, y)),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_labelledby=f"{identity}-title {identity}-description",
    )


def sample(series: Series, tones: Mapping[str, str]) -> Markup:
    """A small sample of a series for the key; a line in the colours of several is black there."""
    classes = "curve" if series.of else classes_of(series, tones)
    kind = classes.split()[0]
    three = np.array([4.0, 11.0, 18.0])
    shape = _cloud(three, three * 0 + 8, classes) if kind == "points" else "M1 13V4H21V13" if kind == "steps" else "M0 8H22"
    return tag("svg", tag("path", class_=classes, d=shape), viewBox="0 0 22 16", class_="sample", aria_hidden="true")


def _description(panel: Panel) -> str:
    shown = ", ".join(f"{series.name} ({len(series.y):,})" for series in panel.series)
    return f"{_titled(panel.y.name, panel.y.unit)} against {_titled(panel.x.name, panel.x.unit)}: {shown}."


def _titled(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _axes(panel: Panel, x: Scale, y: Scale, top: int) -> Markup:
    """Grid lines, ticks and titles."""
    across = [(float(x.place(value)), text) for value, text in x.ticks()]
    up = [(float(y.place(value)), text) for value, text in y.ticks()]
    return join(
        *(tag("path", class_="grid", d=f"M{LEFT} {at:.1f}H{RIGHT}") for at, _ in up),
        *(tag("path", class_="grid", d=f"M{at:.1f} {BOTTOM}v5") for at, _ in across),
        tag("path", class_="ground", d=f"M{LEFT} {top}V{BOTTOM}H{RIGHT}"),
        *(_text(text, LEFT - 7, at + 4, "end") for at, text in up),
        *(_text(text, at, BOTTOM + 20, "middle") for at, text in across),
        _text(_titled(panel.y.name, panel.y.unit), 0, 14, "start"),
        _text(_titled(panel.x.name, panel.x.unit), RIGHT, BOTTOM + 46, "end"),
    )


def _series(series: Series, x: Scale, y: Scale, classes: str) -> Markup:
    """The numbers as one path. What an axis cannot hold is left out."""
    if series.kind == "steps":
        return tag("path", class_=classes, d=_steps(x.place(series.x), y.place(series.y), float(y.place(max(y.low, 0)))))
    shown = _inside(series.x, series.y, x, y)
    if not shown.any():
        return Markup("")
    across, up = x.place(series.x[shown]), y.place(series.y[shown])
    if series.kind == "points":
        return tag("path", class_=classes, d=_cloud(across, up, classes))
    return tag("path", class_=classes, d="M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(across, up)))


def _label(series: Series, x: Scale, y: Scale) -> Markup:
    """The label of a line, at the last of its points that the axes hold."""
    shown = np.flatnonzero(_inside(series.x, series.y, x, y))
    if not len(shown):
        return Markup("")
    across, up = float(x.place(series.x[shown[-1]])), float(y.place(series.y[shown[-1]]))
    return _text(series.label, across - 4, up - 7, "end", "label")


def _cloud(across: Floats, up: Floats, classes: str) -> str:
    """A dot at every place, or a cross in the second and fourth tone, so that colours need not be told apart."""
    shape = "m-3 0h6m-3 -3v6" if classes.endswith(("second", "fourth")) else "h0"
    return "".join(f"M{a:.1f} {b:.1f}{shape}" for a, b in zip(across, up))


def _steps(edges: Floats, heights: Floats, ground: float) -> str:
    steps = "".join(f"V{height:.1f}H{edge:.1f}" for height, edge in zip(heights, edges[1:]))
    return f"M{edges[0]:.1f} {ground:.1f}{steps}V{ground:.1f}Z"


def _vertical(name: str, at: float, row: int) -> Markup:
    """A line over the whole height whose name stands at its top, each in a row of its own."""
    return join(tag("path", class_="vertical", d=f"M{at:.1f} {row - 10}V{BOTTOM}"), _text(name, at + 5, row, "start", "label"))


def _mark(name: str, at: float, height: float) -> Markup:
    """A ring with a letter beside it."""
    ring = tag("circle", class_="mark", cx=f"{at:.1f}", cy=f"{height:.1f}", r=7)
    beside = (at - 11, "end") if at > RIGHT - 30 else (at + 11, "start")
    return join(ring, _text(name, beside[0], height + 5, beside[1], "letter"))


def _inside(across: Floats | float, up: Floats | float, x: Scale, y: Scale) -> NDArray[np.bool_]:
    """Which places lie within both axes, to a thousandth of their length."""
    held = np.ones(np.shape(across), dtype=np.bool_)
    for scale, values in ((x, across), (y, up)):
        low, high = (scale.low * 0.999, scale.high * 1.001) if scale.log else _widened(scale.low, scale.high)
        held &= (np.asarray(values) >= low) & (np.asarray(values) <= high)
    return held


def _widened(low: float, high: float) -> tuple[float, float]:
    return low - (high - low) / 1000, high + (high - low) / 1000


def _text(text: str, across: float, up: float, anchor: str, classes: str | None = None) -> Markup:
    return tag("text", text, x=f"{across:.1f}", y=f"{up:.1f}", text_anchor=anchor, class_=classes)
