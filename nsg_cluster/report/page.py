"""Run folders to one HTML page that needs nothing else: no network, no other file, no script.

Pictures, videos and curves lie inside the page; together they stay within `MEDIA_BYTES`, shared evenly by the tasks.
"""

from __future__ import annotations

import importlib.resources
import time
from collections.abc import Sequence
from pathlib import Path

from nsg_cluster import __version__
from nsg_cluster.core.files import write_atomic
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.core.units import format_bytes, format_duration
from nsg_cluster.report import details, sections, tables
from nsg_cluster.report.collect import Row, TaskFiles, read_tasks, rows_of
from nsg_cluster.report.figures import NUM_COLORS, curve_of, draw, require_matplotlib
from nsg_cluster.report.markup import Html, element, joined
from nsg_cluster.report.media import Budget
from nsg_cluster.report.views import views_section

__all__ = ["write_report"]

MEDIA_BYTES = 24 << 20
MAX_TASKS = 12
VIEWS = 6
LARGE_SIDE, SMALL_SIDE = 800, 400
TOGETHER = (
    ("PSNR of the training rays, dB", "psnr", False),
    ("PSNR of the preview, dB", "preview_psnr", False),
    ("Loss", "loss", True),
)
# The browser itself refuses whatever is not inside the page, and every script.
POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"


def write_report(run_folders: Sequence[Path], out: Path | None = None) -> Path:
    """Write the page about some runs and return its path.

    Args:
        run_folders: Folders of runs, finished or not.
        out: Where to write; by default ``report.html`` in the folder of the first run.

    Raises:
        MachineError: matplotlib is missing.
        RunError: A folder is not that of a run, or the page cannot be written.
    """
    require_matplotlib()
    tasks = read_tasks(run_folders)
    out = out or RunPaths(Path(run_folders[0])).report
    write_atomic(out, "<!doctype html>\n" + _page(tasks, rows_of(tasks)) + "\n")
    return out


def _page(tasks: Sequence[TaskFiles], rows: Sequence[Row]) -> Html:
    experiments = list(dict.fromkeys(task.run.root.resolve().parent.name for task in tasks))
    title = rows[0].name if len(rows) == 1 else f"{', '.join(experiments[:4])}: {len(rows)} tasks"
    style = importlib.resources.files("nsg_cluster.report").joinpath("page.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} · nsg_cluster"),
        element("style", Html(style)),
    )
    in_detail = list(zip(tasks, rows, strict=True))[:MAX_TASKS]
    budgets = [Budget(MEDIA_BYTES // len(in_detail)) for _ in in_detail]
    parts = [
        _task(task, row, budget, anchor=f"task{index}", is_alone=len(tasks) == 1, is_open=index == (_best(rows) or 0))
        for index, ((task, row), budget) in enumerate(zip(in_detail, budgets, strict=True))
    ]
    across = _across(tasks, rows) if len(tasks) > 1 else None
    body = element("body", element("main", _header(title, tasks, rows), across, *parts, _footer(budgets, len(tasks))))
    return element("html", head, body, lang="en")


def _header(title: str, tasks: Sequence[TaskFiles], rows: Sequence[Row]) -> Html:
    now = details.utc(time.time())
    descriptions = list(dict.fromkeys(str(task.settings.get("description") or "") for task in tasks))
    description = descriptions[0] if len(descriptions) == 1 else ""
    runs = list(dict.fromkeys(row.run for row in rows))
    return element(
        "header",
        element("p", f"nsg_cluster {__version__} · {now} · ", element("code", ", ".join(runs[:6])), class_="muted"),
        element("h1", title, " ", sections.badge(rows[0].state) if len(rows) == 1 else None),
        element("p", details.brief(description)) if description else None,
        element("p", _summary(rows), class_="summary"),
    )


def _summary(rows: Sequence[Row]) -> str:
    """Return the report in one line."""
    place = _best(rows)
    best = None if place is None else rows[place]
    alone = len(rows) == 1
    parts = []
    if not alone:
        states = list(dict.fromkeys(row.state for row in rows))
        parts.append(", ".join(f"{sum(row.state == state for row in rows)} {state}" for state in states))
    if best:
        ssim = f" / SSIM {best.ssim:.3f}" if best.ssim is not None else ""
        label = "" if alone else f"best, task {best.index}: "
        parts.append(f"{label}PSNR {best.psnr:.2f} dB{ssim}")
    train_s = sum(row.train_s or 0.0 for row in rows)
    if train_s:
        parts.append(f"{format_duration(train_s)} of training")
    machines = list(dict.fromkeys(row.machine for row in rows if row.machine))
    parts += machines if len(machines) <= 3 else [f"{len(machines)} machines"]
    return " · ".join(parts)


def _across(tasks: Sequence[TaskFiles], rows: Sequence[Row]) -> Html:
    """Return the table of all tasks, and their curves in one diagram."""
    titles, lines = tables.headings(rows), [tables.cells(row, rows) for row in rows]
    # What is the same everywhere stands in the header of the page.
    columns = [
        place
        for place, title in enumerate(titles)
        if title not in {"run", "machine"} or len({line[place] for line in lines}) > 1
    ]
    head = element("tr", *(element("th", titles[place], class_=_alignment(titles[place])) for place in columns))
    best = _best(rows)
    body = [
        element("tr", *(_cell(titles[place], line[place], index, is_best=index == best) for place in columns))
        for index, line in enumerate(lines)
    ]
    table = element("div", element("table", head, *body), class_="scroll across")
    more = [element("p", sentence)] if (sentence := tables.left_out(rows)) else []
    return element("section", element("h2", "All tasks"), table, *more, _together(tasks))


def _best(rows: Sequence[Row]) -> int | None:
    """Return the index of the row with the highest PSNR."""
    measured = [index for index, row in enumerate(rows) if row.psnr is not None]
    return max(measured, key=lambda index: rows[index].psnr or 0.0, default=None)


def _alignment(title: str) -> str | None:
    return "num" if title in {"task", "PSNR", "SSIM", "LPIPS", "steps", "training", "CPU time"} else None


def _cell(title: str, text: str, index: int, *, is_best: bool) -> Html:
    content: str = details.brief(text)
    if title == "state":
        content = sections.badge(text)
    elif title == "name":
        link = element("a", text, href=f"#task{index}") if index < MAX_TASKS else text
        content = joined(sections.swatch(index) if index < NUM_COLORS else None, link)
    elif title == "PSNR" and is_best:
        content = element("b", text)
    return element("td", content, class_=_alignment(title))


def _together(tasks: Sequence[TaskFiles]) -> Html | None:
    """Return diagrams with one line for each task, in the colors of the table."""
    groups = []
    for axis, over_cpu_s in (("step", False), ("cpu", True)):
        diagrams = []
        for title, field, is_log in TOGETHER:
            curves = {index: curve_of(task.scalars, field) for index, task in enumerate(tasks[:NUM_COLORS])}
            label = f"all tasks: {title} over {'CPU seconds' if over_cpu_s else 'steps'}"
            drawing = draw(curves, is_log=is_log, over_cpu_s=over_cpu_s, label=label)
            if drawing:
                diagrams.append(element("figure", element("figcaption", title), drawing))
        if diagrams:
            groups.append((axis, element("div", *diagrams, class_=f"curves by-{axis}")))
    if not groups:
        return None
    more = element("p", f"The first {NUM_COLORS} tasks are drawn.", class_="muted") if len(tasks) > NUM_COLORS else None
    return joined(sections.axis_switch("all", groups), more)


def _task(task: TaskFiles, row: Row, budget: Budget, *, anchor: str, is_alone: bool, is_open: bool) -> Html:
    side = LARGE_SIDE if is_alone else SMALL_SIDE
    views_anchor = f"{anchor}-views"
    nothing = element("p", "Nothing yet." if row.state in {"queued", "running"} else "Nothing.", class_="muted")
    parts: list[tuple[str, str, Html | None]] = [
        ("video", "Video", sections.videos(task, budget)),
        ("views", "Held-out views", views_section(task, budget, anchor=views_anchor, count=VIEWS, max_side=side)),
        ("training", "Training", sections.training(task, budget, anchor=f"{anchor}-curve")),
        ("configuration", "Configuration", details.configuration(task)),
        ("machine", "Time and machine", details.machine(task, row)),
        ("notices", "Notices", details.notices(task)),
        ("reproduce", "Reproduce", details.reproduce(task)),
    ]
    blocks = [
        element("section", element("h2", title), content or nothing, id=f"{anchor}-{name}", class_=name)
        for name, title, content in parts
    ]
    remarks = [element("li", details.brief(remark)) for remark in budget.remarks]
    left_out = element("ul", *remarks, class_="callout") if remarks else None
    top = joined(sections.tiles(task, row), sections.warnings_box(task, row), left_out)
    if is_alone:
        return element("article", top, *blocks, id=anchor)
    psnr = "" if row.psnr is None else f"{row.psnr:.2f} dB"
    summary = element("summary", element("b", row.name), sections.badge(row.state), element("span", psnr, class_="num"))
    return element("article", element("details", summary, top, *blocks, open=is_open), id=anchor)


def _footer(budgets: Sequence[Budget], num_tasks: int) -> Html:
    share = MEDIA_BYTES // len(budgets)
    used = sum(share - budget.left for budget in budgets)
    said = f"Pictures and videos take {format_bytes(used)} of at most {format_bytes(MEDIA_BYTES)} of this page."
    jpeg = "Larger pictures are JPEG here; the originals lie in the folders evaluation and renders of each task."
    rest = num_tasks - len(budgets)
    more = f" {rest} further task{'s are' if rest > 1 else ' is'} in the table only." if rest else ""
    return element("footer", element("p", f"{said} {jpeg}{more}", class_="muted"))
