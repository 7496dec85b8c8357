"""HTML that is safe by construction: every text is escaped on its way into an element.

What comes from a run (names, paths, notices, values) is text and nothing else, whatever it holds; only `element` and
`joined` make `Html`, which is not escaped again.
"""

from __future__ import annotations

import html
import re

from nsg_cluster.core.logs import printable

__all__ = ["Html", "element", "escaped", "joined"]

VOID = {"br", "col", "img", "input", "link", "meta", "source"}
# Marks that turn the direction of writing around, with which one text can pass for another.
DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | int | float | None
Attribute = str | int | float | bool | None


def escaped(value: Child) -> Html:
    """Return a value as HTML; ``None`` becomes nothing, what is HTML already stays."""
    if isinstance(value, Html):
        return value
    text = "" if value is None else str(value)
    text = DIRECTION.sub(lambda match: f"\\u{ord(match[0]):04x}", printable(text, newlines=True))
    # A lone surrogate, which JSON can hold, has no place in UTF-8.
    return Html(html.escape(text.encode("utf-8", "backslashreplace").decode(), quote=True))


def joined(*children: Child) -> Html:
    """Return values one after the other."""
    return Html("".join(escaped(child) for child in children))


def element(tag: str, *children: Child, **attributes: Attribute) -> Html:
    """Return an element; ``class_`` stands for ``class``, a true attribute stands alone, a missing one is left out."""
    parts = [tag]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        word = name.rstrip("_").replace("_", "-")
        parts.append(word if value is True else f'{word}="{escaped(value)}"')
    opening = f"<{' '.join(parts)}>"
    return Html(opening if tag in VOID else f"{opening}{joined(*children)}</{tag}>")
