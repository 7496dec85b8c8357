"""Rows of runs and tasks as columns of text."""

from __future__ import annotations

import time
from collections.abc import Sequence

from nsg_cluster.core.logs import printable
from nsg_cluster.core.units import format_duration
from nsg_cluster.runs.status import RunRow

__all__ = ["runs_table", "tasks_table"]

REASON_LENGTH = 60


def runs_table(rows: Sequence[RunRow]) -> str:
    """Return a line for each run."""
    lines = [
        [row.id, row.name, row.state, row.position, _number(row.psnr, 2), _number(row.ssim, 4), _age(row.created)]
        for row in rows
    ]
    return _columns(["RUN", "NAME", "STATE", "PROGRESS", "PSNR", "SSIM", "AGE"], lines)


def tasks_table(row: RunRow) -> str:
    """Return a line for each task of a run."""
    lines = [
        [
            str(task.index),
            task.name,
            task.status.state,
            task.position,
            _number(task.psnr, 2),
            _number(task.ssim, 4),
            _shortened(task.status.reason),
        ]
        for task in row.tasks
    ]
    return _columns(["TASK", "NAME", "STATE", "PROGRESS", "PSNR", "SSIM", ""], lines)


def _columns(titles: list[str], lines: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(titles, *lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (titles, *lines)
    )


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _shortened(text: str) -> str:
    """Return the beginning of a reason; of a long path there, its last name."""
    text = printable(text)
    place, colon, sentence = text.partition(": ")
    if len(text) > REASON_LENGTH and place.startswith("/"):
        text = f"…/{place.rpartition('/')[2]}{colon}{sentence}"
    return text if len(text) <= REASON_LENGTH else f"{text[: REASON_LENGTH - 1]}…"


def _age(created: float) -> str:
    """Return the two largest units of an age."""
    age_s = max(0, round(time.time() - created))
    for size in (86_400, 3_600, 60):
        if age_s >= size:
            # Two neighboring units say enough: no seconds after an hour, no minutes after a day.
            return format_duration(age_s - age_s % max(1, {86_400: 3_600, 3_600: 60, 60: 1}[size]))
    return f"{age_s}s"
