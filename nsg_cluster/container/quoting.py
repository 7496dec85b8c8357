"""Text of users inside a Singularity definition.

Three things in a section's text are read by Singularity itself, wherever they stand: a line whose first word begins
with ``%`` opens a section, one that begins with ``Bootstrap:`` opens a stage, and ``{{ … }}`` is a template. Inside a
shell's quotes an empty pair of quotes breaks all three and changes nothing for the shell.
"""

from __future__ import annotations

import re

__all__ = ["protect", "quote", "quoted_path"]

TRAP = re.compile(r"(^[^\S\n]*)(?=%|bootstrap:)|(?<=\{)(?=\{)", re.IGNORECASE | re.MULTILINE)


def protect(text: str, breaker: str) -> str:
    """Return text inside quotes with what Singularity would read broken by ``breaker``, an empty pair of quotes."""
    # A trap at the start of the quoted text is none: the quote itself stands before it.
    return TRAP.sub(lambda match: f"{match[1] or ''}{breaker}", text)


def quote(text: str) -> str:
    """Return a word for a shell in a definition that stands for exactly this text."""
    if re.fullmatch(r"[A-Za-z0-9_@+=:,./-]+", text):
        return text
    return "'" + protect(text.replace("'", "'\\''"), "''") + "'"


def quoted_path(text: str) -> str:
    """Return a path for a line of ``%files``, which knows double quotes and no escapes."""
    return f'"{text}"' if re.search(r"\s", text) else text
