"""The parts of the page that let a reader check and repeat a task: configuration, machine, notices, commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

from nsg_cluster.core.units import format_duration
from nsg_cluster.report.collect import Row, TaskFiles, number, text_of
from nsg_cluster.report.markup import Html, element, joined
from nsg_cluster.report.settings import changes, flattened
from nsg_cluster.report.tables import shown

__all__ = ["brief", "configuration", "machine", "notices", "reproduce", "utc"]

LONGEST_TEXT = 600
MAX_NOTICES = 200
MAX_SPEC_LINES = 2000


def brief(value: object) -> str:
    """Return a value as text that cannot fill the page."""
    text = shown(value)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text)} characters)"


def configuration(task: TaskFiles) -> Html | None:
    """Return the settings that are not at their defaults, and the whole file with those lines marked."""
    if not task.spec:
        return None
    changed = changes(task.experiment) if task.experiment else {}
    rows = [
        (element("code", path), element("code", brief(change.value)), element("code", brief(change.default)))
        for path, change in changed.items()
        if path not in {"name", "description"}
    ]
    said = None if task.experiment else element("p", "This version does not understand the file, so nothing is marked.")
    return joined(
        said,
        _table(("setting", "value", "default"), rows) if rows else None,
        element("details", element("summary", "The whole experiment"), _marked_spec(task, set(changed))),
    )


def _marked_spec(task: TaskFiles, changed: set[str]) -> Html:
    assert task.spec
    places = task.spec.places.items()
    marked = {place.line for path, place in places if any(_dotted(path, size) in changed for size in range(9))}
    path = task.paths.spec if task.paths.spec.exists() else task.run.spec
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    parts: list[Html] = [
        element("mark", line) if number_ in marked else element("span", line)
        for number_, line in enumerate(lines[:MAX_SPEC_LINES], start=1)
    ]
    if len(lines) > MAX_SPEC_LINES:
        parts.append(element("span", f"… {len(lines) - MAX_SPEC_LINES} more lines"))
    return element("pre", *parts, class_="lines")


def _dotted(path: Sequence[str | int], size: int) -> str:
    return ".".join(map(str, path[:size]))


def machine(task: TaskFiles, row: Row) -> Html | None:
    """Return when the task ran, how fast it was, and the versions and the machine it ran with."""
    columns = [_timings(task, row), [(path, brief(value)) for path, value in flattened(task.environment).items()]]
    found = [_table(("", ""), rows) for rows in columns if rows]
    return element("div", *found, class_="columns") if found else None


def _timings(task: TaskFiles, row: Row) -> list[tuple[str, str]]:
    status, metrics = task.status, task.metrics
    rows: list[tuple[str, str]] = []
    for title, key in (("started", "started"), ("ended", "ended")):
        moment = number(status.get(key))
        if moment is not None:
            rows.append((title, utc(moment)))
    attempt = number(status.get("attempt"))
    if attempt is not None:
        rows.append(("attempts", f"{attempt:.0f}"))
    rates = (
        ("training, wall time", row.train_s, format_duration),
        ("training, CPU time", row.train_cpu_s, format_duration),
        ("steps per second", _ratio(row.step, row.train_s), _two_digits),
        ("CPU seconds per step", _ratio(row.train_cpu_s, row.step), _two_digits),
        ("rendered rays per CPU second", number(metrics.get("render_rays_per_cpu_s")), _thousands),
    )
    return [*rows, *((title, form(value)) for title, value, form in rates if value is not None)]


def utc(moment: float) -> str:
    """Return unix seconds as a date and time that people read."""
    try:
        return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{moment}"


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    return numerator / denominator if numerator is not None and denominator else None


def _two_digits(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def _thousands(value: float) -> str:
    return f"{value:,.0f}"


def notices(task: TaskFiles) -> Html | None:
    """Return everything that the task said about its course, the newest of very many."""
    rows = [
        (
            number(notice.get("step")),
            utc(moment) if (moment := number(notice.get("time"))) is not None else "",
            text_of(notice, "level"),
            brief(notice["notice"]),
        )
        for notice in task.notices[-MAX_NOTICES:]
    ]
    left_out = len(task.notices) - len(rows)
    if not rows:
        return None
    more = element("p", f"{left_out} older ones are in {task.paths.events.name}.") if left_out else None
    return joined(_table(("step", "time", "level", "notice"), rows), more)


def reproduce(task: TaskFiles) -> Html:
    """Return the command lines that make the same again."""
    run, argv = shlex.quote(str(task.run.root.absolute())), task.record.get("argv")
    commit = text_of(task.record, "git_commit")
    is_dirty = commit and task.record.get("git_dirty") is True
    difference = task.run.difference.absolute()
    apply = f"git apply {shlex.quote(str(difference))}" if difference.is_file() else "# they were not kept"
    commands = [
        ("it was submitted with", _joined_argv(argv)),
        ("the same version of the code", f"git checkout {shlex.quote(commit)}" if commit else ""),
        ("and the changes that were not committed", apply if is_dirty else ""),
        ("the same experiment once more", f"python launch.py {shlex.quote(str(task.paths.spec.absolute()))}"),
        ("go on from the newest checkpoint", f"python launch.py resubmit {run}"),
        ("this page again", f"python launch.py report {run}"),
    ]
    lines = [line for title, command in commands if command for line in (f"# {title}", command)]
    return element("pre", "\n".join(lines))


def _joined_argv(argv: Any) -> str:
    is_argv = isinstance(argv, list) and all(isinstance(word, str) for word in argv)
    return shlex.join(["python", *argv]) if is_argv and argv else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str | float | None]]) -> Html:
    titles = element("tr", *(element("th", title) for title in head)) if any(head) else None
    lines = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    return element("div", element("table", titles, *lines), class_="scroll")
