"""HTML that cannot be broken by a name: every text is escaped unless it was made here."""

from __future__ import annotations

import html

VOID = frozenset({"br", "col", "hr", "img", "input", "meta"})


class Markup(str):
    """Text that is already HTML. Only the functions below make it."""


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """An element. Children are escaped unless they are Markup, attributes always.

    `class_` is class, `data_x` is data-x. An attribute of None or False is left out, True stands alone.

    >>> tag("td", "<script>", class_="name", data_row=3)
    '<td class="name" data-row="3">&lt;script&gt;</td>'
    """
    opened = "".join(_attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    if name in VOID:
        return Markup(f"<{name}{opened}>")
    return Markup(f"<{name}{opened}>{join(*children)}</{name}>")


def join(*children: object) -> Markup:
    """Children after each other, escaped unless they are Markup; None is nothing.

    >>> join("a < b", tag("br"), None, 3)
    'a &lt; b<br>3'
    """
    return Markup("".join(_child(child) for child in children))


def stacked(value: object, below: str) -> Markup:
    """A value with something small below it; alone where there is nothing to say."""
    return join(value, tag("span", below, class_="below") if below else None)


def _child(child: object) -> str:
    if child is None:
        return ""
    return str(child) if isinstance(child, Markup) else html.escape(str(child))


def _attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'
