"""The page: facts put into the packaged template. Nothing is computed here, and every text is escaped (`markup`).

The page is one file without a network: its Content-Security-Policy allows the page's own script and style by their
hashes and nothing else, so that even a text that slipped through unescaped could not run.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

from nearkin.report.html_figures import figures
from nearkin.report.html_heading import heading
from nearkin.report.html_origin import origin, reading, settings
from nearkin.report.html_result import results
from nearkin.report.markup import Markup, tag
from nearkin.report.page_facts import page_facts
from nearkin.report.summary import Summary

SCRIPTS = (
    "facts.js",
    "drawing.js",
    "palette.js",
    "differences.js",
    "pictures.js",
    "point_map.js",
    "legend.js",
    "maps.js",
    "separation.js",
    "confusion.js",
    "class_distances.js",
    "mistakes.js",
    "verification.js",
    "unknowns.js",
    "curves.js",
    "start.js",
)
STYLES = ("page.css", "parts.css")
FIGURE_STYLES = ("figures.css",)
"""For a study with figures only, so that the page of any other is what it was."""


def to_html(summary: Summary) -> str:
    """The whole page as one text, ready to be written as report.html."""
    script, style = _shipped(SCRIPTS), _shipped(STYLES + (FIGURE_STYLES if summary.study.figures else ()))
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": policy,
        "title": tag("title", f"{summary.study.name}: nearkin comparison"),
        "style": style,
        "heading": heading(summary),
        "results": results(summary),
        "switch": _switch(summary),
        "figures": figures(summary),
        "reading": reading(summary),
        "settings": settings(summary),
        "origin": origin(summary),
        "facts": page_facts(summary),
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: str(parts[match.group(1)]), _shipped(("page.html",)))


def _shipped(names: tuple[str, ...]) -> str:
    folder = files("nearkin.report") / "page"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _switch(summary: Summary) -> Markup | None:
    """Buttons that choose the protocol of the pictures; none for a single protocol."""
    if len(summary.protocols) < 2:
        return Markup("")
    buttons = [
        tag(
            "button",
            protocol.split.protocol,
            type="button",
            data_protocol=place,
            aria_pressed="true" if place == 0 else "false",
        )
        for place, protocol in enumerate(summary.protocols)
    ]
    return tag(
        "div",
        tag("span", "Pictures of"),
        *buttons,
        class_="switch",
        role="group",
        aria_label="Protocol shown in the pictures",
    )
