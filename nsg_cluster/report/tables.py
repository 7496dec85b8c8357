"""Rows to Markdown, CSV and plain text: the same columns, each in its own notation.

CSV holds numbers as they are, in the units that its header names; the other two hold them as people read them.
"""

from __future__ import annotations

import csv as csv_format
import io
import json
from collections.abc import Sequence
from typing import Any

from nsg_cluster.core.logs import printable
from nsg_cluster.core.units import format_duration
from nsg_cluster.report.collect import Row
from nsg_cluster.report.settings import ABSENT

__all__ = ["cells", "csv", "decimals", "difference_paths", "headings", "left_out", "markdown", "shown", "text"]

LONGEST_CELL = 60
# Experiments of different kinds differ in more settings than a page is wide; these two then say how.
MOST_DIFFERENCES = 16
KINDS = ("data.kind", "model.kind")


def difference_paths(rows: Sequence[Row]) -> list[str]:
    """Return every setting that differs."""
    return list(dict.fromkeys(path for row in rows for path in row.differences))


def _told_paths(rows: Sequence[Row]) -> list[str]:
    """Return the settings that are columns for people."""
    paths = difference_paths(rows)
    return paths if len(paths) <= MOST_DIFFERENCES else [path for path in paths if path in KINDS]


def left_out(rows: Sequence[Row]) -> str | None:
    """Return a sentence about settings that differ and are no columns for people, if there are any."""
    count = len(difference_paths(rows)) - len(_told_paths(rows))
    return f"{count} more settings differ; report --format csv has a column for each" if count else None


def shown(value: Any) -> str:
    """Return the value of a setting as it is written in a file."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def headings(rows: Sequence[Row]) -> list[str]:
    """Return the columns that people read; a column of nothing is left out."""
    fixed = ["run", "task", "name", "state", *_told_paths(rows), "PSNR", "SSIM"]
    lpips = ["LPIPS"] if any(row.lpips is not None for row in rows) else []
    return [*fixed, *lpips, "steps", "training", "CPU time", "machine"]


def cells(row: Row, rows: Sequence[Row]) -> list[str]:
    """Return the texts of a row under `headings`."""
    settings = [shown(row.differences.get(path, ABSENT)) for path in _told_paths(rows)]
    metrics = [decimals(row.psnr, 2), decimals(row.ssim, 4)]
    if any(other.lpips is not None for other in rows):
        metrics.append(decimals(row.lpips, 4))
    times = [ABSENT if seconds is None else format_duration(seconds) for seconds in (row.train_s, row.train_cpu_s)]
    steps = _steps(row)
    return [row.run, str(row.index), row.name, row.state, *settings, *metrics, steps, *times, row.machine or ABSENT]


def decimals(value: float | None, digits: int) -> str:
    """Return a number with so many digits after the point, or a dash."""
    return ABSENT if value is None else f"{value:.{digits}f}"


def _steps(row: Row) -> str:
    if row.step is None:
        return ABSENT
    return str(row.step) if row.steps in {None, row.step} else f"{row.step} of {row.steps}"


def markdown(rows: Sequence[Row]) -> str:
    """Return a GitHub-flavored table, and the notes below it."""
    columns = headings(rows)
    is_text = {"run", "name", "state", "machine", *_told_paths(rows)}
    rule = ["---" if column in is_text else "---:" for column in columns]
    lines = [columns, rule, *(cells(row, rows) for row in rows)]
    table = [f"| {' | '.join(_markdown_text(cell) for cell in line)} |" for line in lines]
    notes = [
        f"- {_markdown_text(row.run)}, task {row.index}: {_markdown_text('; '.join(row.notes))}"
        for row in rows
        if row.notes
    ]
    notes += [f"- {sentence}"] if (sentence := left_out(rows)) else []
    return "\n".join([*table, *([""] if notes else []), *notes]) + "\n"


def _markdown_text(value: str) -> str:
    """Return a text whose characters mean nothing to Markdown or HTML."""
    value = printable(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{character}" if character in "\\|`*[]~" else character for character in value)


def csv(rows: Sequence[Row]) -> str:
    """Return a table with raw numbers, quoted after RFC 4180; missing values are empty."""
    paths = difference_paths(rows)
    stream = io.StringIO()
    writer = csv_format.writer(stream, lineterminator="\r\n")
    fixed = ["psnr_db", "ssim", "lpips", "step", "steps", "train_s", "train_cpu_s", "machine", "folder", "notes"]
    writer.writerow(["run", "task", "name", "state", *paths, *fixed])
    for row in rows:
        settings = [shown(row.differences[path]) if path in row.differences else None for path in paths]
        metrics = [row.psnr, row.ssim, row.lpips, row.step, row.steps, row.train_s, row.train_cpu_s]
        ending = [row.machine, str(row.folder), "; ".join(row.notes)]
        writer.writerow([row.run, row.index, row.name, row.state, *settings, *metrics, *ending])
    return stream.getvalue()


def text(rows: Sequence[Row]) -> str:
    """Return a table of aligned columns for a terminal."""
    lines = [headings(rows), *(cells(row, rows) for row in rows)]
    lines = [[_shortened(printable(cell)) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(line.rstrip() for line in aligned) + "\n"


def _shortened(value: str) -> str:
    return value if len(value) <= LONGEST_CELL else f"{value[: LONGEST_CELL - 1]}…"
