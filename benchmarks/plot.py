"""The ratios against peers as a plot: one dot a case on a logarithmic axis, to the right of 1 where ours is faster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from harness import OML, PML

PEERS = {PML: "#2f6fb7", OML: "#c4671f", "scikit-learn": "#3c8d40", "plain torch": "#8a4fa3"}
"""Contenders of the plot and their colours."""

LEFT, WIDTH, LINE, TOP = 330, 480, 18, 46


def as_svg(rows: Sequence[dict[str, Any]]) -> str:
    """An image that needs nothing else; grey text, to be read on light and dark pages."""
    points = [
        (row["name"], {name: 1 / cost for name, cost in row.get("cpu cost", {}).items() if name in PEERS})
        for row in rows
        if row["status"] == "ok"
    ]
    points = [(name, ratios) for name, ratios in points if ratios]
    ratios = [ratio for _, found in points for ratio in found.values()]
    low, high = math.floor(math.log10(min([0.5, *ratios]))), math.ceil(math.log10(max([10.0, *ratios])))
    height = TOP + LINE * len(points) + 30

    def place(ratio: float) -> float:
        return LEFT + WIDTH * (math.log10(ratio) - low) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 40} {height}" '
        'font-family="sans-serif" font-size="12" fill="#777">',
        "<title>Times as fast as the peer, CPU time of one thread</title>",
        *_legend(),
        *(_grid(place(10.0**power), 10.0**power, height) for power in range(low, high + 1)),
    ]
    for number, (name, found) in enumerate(points):
        y = TOP + LINE * (number + 0.7)
        parts.append(f'<text x="{LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        for peer, ratio in found.items():
            x, start = place(ratio), place(1)
            parts.append(f'<line x1="{start:.1f}" x2="{x:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{PEERS[peer]}"/>')
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{PEERS[peer]}"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend() -> list[str]:
    parts = []
    for number, (name, colour) in enumerate(PEERS.items()):
        x = 10 + 190 * number
        parts.append(f'<circle cx="{x}" cy="12" r="4" fill="{colour}"/><text x="{x + 10}" y="16">{escape(name)}</text>')
    return parts


def _grid(x: float, ratio: float, height: int) -> str:
    weight = 1.5 if ratio == 1 else 0.5
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - 24}" stroke="#999" stroke-width="{weight}"/>'
        f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle">{ratio:g}x</text>'
    )
