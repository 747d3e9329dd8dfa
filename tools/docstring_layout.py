"""Lays out docstrings for the documentation: aligned `Label:  text` lines become lists, doctests become code.

    Equation:  d = |x - z|           - **Equation:** d = |x - z|
    Range:     [0, inf), where  ->   - **Range:** [0, inf), where
               it is a metric          it is a metric
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

NAMES = r"`?[\w@.]+`?(?:, `?[\w@.]+`?)*"
OPENING = re.compile(rf"(?P<label>[A-Z][a-z]+(?=: )|{NAMES}(?=:  | : )|`[\w@.]+`(?=  )) ?:? *(?P<text>\S.*)")
FOLLOWING = re.compile(rf"(?P<label>{NAMES})(?:: | : |(?<=`) ) *(?P<text>\S.*)")
"""In a list that is open, one space after the label is enough: the longest label has no more."""


def laid_out(text: str) -> str:
    """The docstring in Markdown.

    >>> print(laid_out("A loss.\\n\\nRange:   [0, 1], where\\n         1 is far\\nmargin: at least 0"))
    A loss.
    <BLANKLINE>
    - **Range:** [0, 1], where 1 is far
    - **margin:** at least 0
    """
    paragraphs = [_paragraph(part.splitlines()) for part in re.split(r"\n\s*\n", text)]
    return "\n\n".join("\n".join(lines) for lines in paragraphs)


def _paragraph(lines: list[str]) -> list[str]:
    if lines and lines[0].startswith(">>>"):
        return ["```pycon", *lines, "```"]
    plain: list[str] = []
    entries: list[tuple[str, list[str]]] = []
    for line in lines:
        entry = (FOLLOWING if entries else OPENING).match(line)
        if entry:
            entries.append((entry["label"].replace("`", ""), [entry["text"]]))
        elif entries and line.startswith(" "):
            entries[-1][1].append(line.strip())
        elif entries:
            return [*plain, "", *_items(entries), "", *_paragraph(lines[lines.index(line) :])]
        elif set(line.strip()) != {"-"}:
            plain.append(line)
    return [*plain, "", *_items(entries)] if plain and entries else plain or _items(entries)


def _items(entries: list[tuple[str, list[str]]]) -> list[str]:
    items: list[str] = []
    for label, text in entries:
        if label != "Equation":
            items.append(f"- **{label}:** {' '.join(text)}")
        elif len(text) == 1:
            items.append(f"- **Equation:** `{text[0]}`")
        else:
            items += ["- **Equation:**", "", "    ```text", *(f"    {line}" for line in text), "    ```", ""]
    return items


class DocstringLayout(Extension):
    """The extension that mkdocstrings loads."""

    def on_object(self, *, obj: Object, **options: Any) -> None:
        """Lay out one object's docstring."""
        if obj.docstring is not None:
            obj.docstring.value = laid_out(obj.docstring.value)
