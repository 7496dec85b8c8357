"""The loss report: what of a Dockerfile a Singularity image says differently, or cannot say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Loss", "loss_json", "loss_text"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Loss:
    """One thing that is not the same."""

    line: int
    instruction: str
    kind: Literal["lost", "changed", "note"]
    """``lost``: has no effect in the image; ``changed``: done in another way; ``note``: good to know."""
    sentence: str


def loss_text(losses: Sequence[Loss], path: Path) -> str:
    """Return the report as lines of ``path:line: kind: INSTRUCTION: sentence``; empty where nothing is lost."""
    rows = (f"{path}:{loss.line}: {loss.kind}: {loss.instruction}: {loss.sentence}\n" for loss in losses)
    return "".join(rows)


def loss_json(losses: Sequence[Loss], path: Path) -> dict[str, object]:
    """Return the report for scripts."""
    return {"dockerfile": str(path), "losses": [asdict(loss) for loss in losses]}
