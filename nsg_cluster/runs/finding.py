"""The outcome of one check of ``doctor``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check."""

    name: str
    ok: bool
    found: str
    advice: str = ""
    """How to get what is missing."""
    needed: bool = False
    """Whether the default, a training on this machine or site, does not work without it."""

    @property
    def is_fatal(self) -> bool:
        """Whether the default does not work."""
        return self.needed and not self.ok

    @property
    def mark(self) -> str:
        """One word for people."""
        return "ok" if self.ok else "BROKEN" if self.needed else "missing"

    def to_json(self) -> dict[str, Any]:
        """Return what ``doctor --json`` says of it."""
        return asdict(self)
