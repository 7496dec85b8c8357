"""The parts of the page that show how a task did: numbers, warnings, videos, curves, previews."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from nsg_cluster.core.units import format_duration
from nsg_cluster.report.collect import Row, TaskFiles, absences, number, text_of
from nsg_cluster.report.details import brief
from nsg_cluster.report.figures import Panel, draw, panels_of
from nsg_cluster.report.markup import Html, element, joined
from nsg_cluster.report.media import Budget, embed_image, embed_video
from nsg_cluster.report.settings import ABSENT
from nsg_cluster.report.tables import decimals

__all__ = ["axis_switch", "badge", "swatch", "tiles", "training", "videos", "warnings_box"]

MAX_WARNINGS = 20
LOG_BYTES, LOG_LINES = 4096, 20
MAX_OTHER_METRICS = 8
MAX_PREVIEWS = 8
CALM = {"succeeded", "running", "queued"}


def badge(state: str) -> Html:
    """Return a state as a colored word."""
    kind = state if state in {"succeeded", "running", "queued", "failed", "lost", "timeout"} else "other"
    return element("span", state, class_=f"badge {kind}")


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
        *_other_metrics(task.metrics),
    ]
    return element("div", *found, class_="tiles")


def _other_metrics(metrics: Mapping[str, Any]) -> list[Html]:
    mean = metrics.get("mean")
    others = {name: number(value) for name, value in mean.items()} if isinstance(mean, dict) else {}
    units = {
        "depth_error": "mean absolute, in scene units",
        "median_depth_error": "mean absolute, in scene units",
        "normal_error_deg": "mean angle, in degrees",
    }
    return [
        _tile(name.replace("_", " ").capitalize(), f"{value:.4g}", "", units.get(name, ""))
        for name, value in others.items()
        if value is not None and name not in {"psnr", "ssim", "lpips"}
    ][:MAX_OTHER_METRICS]


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
    absent = absences(task.metrics)
    remarks = [remark for remark in row.notes if remark not in absent]
    return _any(
        _callout(lines, "callout bad"),
        _callout(remarks, "callout" if row.state in CALM else "callout bad"),
        _callout([*absent, *_texts(task.metrics.get("notes"))], "callout"),
        None if row.state in CALM else _log_end(task),
    )


def _any(*parts: Html | None) -> Html | None:
    return joined(*parts) if any(parts) else None


def _log_end(task: TaskFiles) -> Html | None:
    """Return the last lines that the task said before it failed."""
    try:
        with task.paths.log_err.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()[-LOG_LINES:]
    except OSError:
        return None
    title = element("summary", f"The last lines of {task.paths.log_err.name}")
    return element("details", title, element("pre", "\n".join(lines))) if lines else None


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
    return _any(strip, axis_switch(anchor, groups) if groups else None)


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
