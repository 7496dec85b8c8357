"""The parts of the page that tell about one task, each a function from what its files say to HTML."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from nsg_cluster.core.units import format_duration
from nsg_cluster.report.collect import Row, TaskFiles, number, text_of
from nsg_cluster.report.figures import Panel, draw, panels_of
from nsg_cluster.report.markup import Html, element, joined
from nsg_cluster.report.media import Budget, embed_image, embed_video
from nsg_cluster.report.settings import ABSENT, changes, flattened
from nsg_cluster.report.tables import decimals, shown

__all__ = [
    "badge",
    "configuration",
    "machine",
    "notices",
    "reproduce",
    "swatch",
    "tiles",
    "training",
    "videos",
    "warnings_box",
]

LONGEST_TEXT = 600
MAX_NOTICES = 200
MAX_WARNINGS = 20
MAX_PREVIEWS = 8
MAX_SPEC_LINES = 2000
CALM = {"succeeded", "running", "queued"}


def badge(state: str) -> Html:
    """Return a state as a colored word."""
    kind = state if state in {"succeeded", "running", "queued", "failed", "lost", "timeout"} else "other"
    return element("span", state, class_=f"badge {kind}")


def brief(value: object) -> str:
    """Return a value as text that cannot fill the page."""
    text = shown(value)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text)} characters)"


def tiles(task: TaskFiles, row: Row) -> Html:
    """Return the few numbers that a reader wants first."""
    views = number(task.metrics.get("views"))
    split = text_of(task.metrics, "split")
    where = f"{views:.0f} {split} views".replace("  ", " ") if views else "held-out views"
    absent = task.metrics.get("absent")
    lpips = "absent" if isinstance(absent, dict) and "lpips" in absent else "not measured"
    found = [
        _tile("PSNR", decimals(row.psnr, 2), "dB" if row.psnr is not None else "", where),
        _tile("SSIM", decimals(row.ssim, 4), "", where),
        _tile("LPIPS", decimals(row.lpips, 4), "", lpips if row.lpips is None else "lower is better"),
        _tile("Training", ABSENT if row.train_s is None else format_duration(row.train_s), "", _cpu(row)),
        _steps_tile(row, task.progress),
    ]
    return element("div", *found, class_="tiles")


def _tile(title: str, value: str, unit: str, below: str) -> Html:
    with_unit = element("div", value, element("small", f" {unit}") if unit else None, class_="value")
    return element("div", element("div", title, class_="title"), with_unit, element("div", below, class_="below"))


def _cpu(row: Row) -> str:
    return "wall time" if row.train_cpu_s is None else f"{format_duration(row.train_cpu_s)} of CPU time"


def _steps_tile(row: Row, progress: Mapping[str, Any]) -> Html:
    if row.step is None:
        return _tile("Steps", ABSENT, "", "none yet")
    if not row.steps or row.step >= row.steps:
        return _tile("Steps", f"{row.step:,}", "", "all of them" if row.steps else "")
    eta_s = number(progress.get("eta_s"))
    left = f", {format_duration(eta_s)} left" if eta_s and row.state == "running" else ""
    meter = element("progress", value=row.step, max=row.steps)
    return _tile("Steps", f"{row.step:,}", "", joined(meter, f" {row.step / row.steps:.0%} of {row.steps:,}{left}"))


def warnings_box(task: TaskFiles, row: Row) -> Html | None:
    """Return what a reader must know before trusting the numbers: trouble first, then what is missing."""
    raised = [_notice_text(notice) for notice in task.notices if notice.get("level") in {"warning", "error"}]
    lines = raised[:MAX_WARNINGS]
    if len(raised) > MAX_WARNINGS:
        lines.append(f"{len(raised) - MAX_WARNINGS} more below, under Notices")
    remarks = [*row.notes, *_texts(task.metrics.get("notes"))]
    boxes = [_callout(lines, "callout bad"), _callout(remarks, "callout" if row.state in CALM else "callout bad")]
    return joined(*boxes) if any(boxes) else None


def _callout(lines: Sequence[str], kind: str) -> Html | None:
    if not lines:
        return None
    return element("ul", *(element("li", brief(line)) for line in dict.fromkeys(lines)), class_=kind)


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _notice_text(notice: Mapping[str, Any]) -> str:
    step = number(notice.get("step"))
    return f"{f'Step {step:.0f}: ' if step is not None else ''}{notice['notice']}"


def videos(task: TaskFiles, budget: Budget) -> Html | None:
    """Return the videos along the camera paths; ``None`` where there are none."""
    folder = task.paths.renders
    try:
        files = [path for path in folder.iterdir() if path.suffix in {".mp4", ".gif"}]
    except OSError:
        return None
    found = []
    for stem in sorted({path.stem for path in files}):
        gif = folder / f"{stem}.gif"
        embedded = embed_video([folder / f"{stem}.mp4", gif], budget)
        if not embedded:
            continue
        address, kind = embedded
        if kind == "image/gif":
            media = element("img", src=address, alt=f"video {stem}")
        else:
            # What is printed, and what browsers without this codec show.
            poster = embed_image(gif, budget, max_side=800) if gif.is_file() else None
            options = {"autoplay": True, "loop": True, "muted": True, "playsinline": True, "controls": True}
            still = poster.address if poster else None
            media = element("video", element("source", src=address, type=kind), poster=still, **options)
        found.append(element("figure", media, element("figcaption", stem.replace("_", " "))))
    return element("div", *found, class_="videos") if found else None


def training(task: TaskFiles, budget: Budget, *, anchor: str) -> Html | None:
    """Return the curves of the training and its previews; ``None`` where there are neither."""
    panels, strip = panels_of(task.scalars), _previews(task, budget)
    groups = []
    for axis, over_cpu_s in (("step", False), ("cpu", True)):
        diagrams = []
        for index, panel in enumerate(panels):
            label = f"{anchor} {index}: {panel.title} over {'CPU seconds' if over_cpu_s else 'steps'}"
            series = dict(enumerate(panel.curves))
            drawing = draw(series, is_log=panel.is_log, over_cpu_s=over_cpu_s, label=label)
            if drawing:
                diagrams.append(element("figure", element("figcaption", panel.title, _legend(panel)), drawing))
        if diagrams:
            groups.append((axis, element("div", *diagrams, class_=f"curves by-{axis}")))
    return joined(strip, axis_switch(anchor, groups) if groups else None) if strip or groups else None


def _legend(panel: Panel) -> Html | None:
    if len(panel.curves) == 1:
        return None
    return joined(*(element("span", swatch(color), curve.label) for color, curve in enumerate(panel.curves)))


def swatch(color: int) -> Html:
    """Return a small square in the color of a series."""
    return element("i", class_="swatch", style=f"background:var(--c{color})")


def _previews(task: TaskFiles, budget: Budget) -> Html | None:
    """Return how one held-out view came to look over the training, rendered on the left, truth on the right."""
    try:
        files = sorted(task.paths.previews.glob("step-*.png"))
    except OSError:
        return None
    last = len(files) - 1
    places = sorted({round(place * last / (MAX_PREVIEWS - 1)) for place in range(MAX_PREVIEWS)}) if files else []
    figures = []
    for path in (files[place] for place in places):
        picture = embed_image(path, budget, max_side=400)
        step = path.stem.removeprefix("step-").lstrip("0") or "0"
        if picture:
            image = element("img", src=picture.address, alt=f"preview at step {step}", class_="small")
            figures.append(element("figure", image, element("figcaption", f"step {step}")))
    if not figures:
        return None
    said = element("p", "One held-out view while training: rendered on the left, truth on the right.", class_="muted")
    return joined(said, element("div", *figures, class_="previews"))


def axis_switch(anchor: str, groups: Sequence[tuple[str, Html]]) -> Html:
    """Return diagrams over steps and over CPU seconds, of which one group shows at a time."""
    if len(groups) == 1:
        return groups[0][1]
    titles = {"step": "over steps", "cpu": "over CPU seconds"}
    inputs = []
    for index, (axis, _) in enumerate(groups):
        name = f"{anchor}-{axis}"
        inputs.append(
            element("input", type="radio", name=f"{anchor}-axis", id=name, class_=f"to-{axis}", checked=not index)
        )
        inputs.append(element("label", titles[axis], for_=name))
    return element("div", *inputs, *(group for _, group in groups), class_="switch")


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
    commit = text_of(task.record, "git_commit") or text_of(task.environment, "git_commit")
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
