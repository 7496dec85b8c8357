"""Held-out views as rows of pictures: rendered, truth, error and depth, with the metrics of each.

Where there are more views than the page shows, they are picked by rank: the worst, the best and evenly between, so
that the pictures stand for all views and not for the lucky ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nsg_cluster.report.collect import TaskFiles, number
from nsg_cluster.report.markup import Html, element, joined
from nsg_cluster.report.media import Budget, embed_image
from nsg_cluster.report.tables import decimals

__all__ = ["View", "picked", "table", "views_of", "views_section"]

# Ending of a file's name, and what it shows.
KINDS = {
    "": "rendered",
    "_truth": "truth",
    "_error": "absolute error",
    "_depth": "depth",
    "_normals": "normals",
    "_diffuse": "diffuse color",
    "_reflected": "reflected color",
    "_roughness": "roughness",
}
SCALES = (
    "Errors go from black (none) to bright (0.25 of full scale and more), depth from red (near) to blue (far); red, "
    "green and blue of normals are the axes of the world."
)
MAX_TABLE_ROWS = 400


@dataclass(frozen=True, slots=True)
class View:
    """A held-out view."""

    name: str
    psnr: float | None
    ssim: float | None

    def path(self, folder: Path, ending: str) -> Path:
        """Return the file of one of its pictures."""
        return folder / f"{self.name}{ending}.png"

    @property
    def metrics(self) -> str:
        """PSNR and SSIM as people read them."""
        psnr = "" if self.psnr is None else f"{self.psnr:.2f} dB"
        ssim = "" if self.ssim is None else f"SSIM {self.ssim:.4f}"
        return " · ".join(part for part in (psnr, ssim) if part) or "not measured"


def views_of(task: TaskFiles) -> list[View]:
    """Return the views that the metrics list; without metrics, those whose pictures are there."""
    per_view = task.metrics.get("per_view")
    listed = [
        View(entry["name"], number(entry.get("psnr")), number(entry.get("ssim")))
        for entry in (per_view if isinstance(per_view, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    ]
    if listed:
        return listed
    try:
        truths = sorted(path.name for path in task.paths.evaluation.glob("*_truth.png"))
    except OSError:
        return []
    return [View(name.removesuffix("_truth.png"), None, None) for name in truths]


def picked(views: Sequence[View], count: int) -> list[View]:
    """Return at most ``count`` views, evenly spread over the ranks from worst to best, in their own order."""
    if len(views) <= count:
        return list(views)
    ranked = sorted(range(len(views)), key=lambda index: (views[index].psnr is not None, views[index].psnr or 0.0))
    last = len(views) - 1
    places = {round(place * last / max(count - 1, 1)) for place in range(count)}
    return [views[index] for index in sorted(ranked[place] for place in places)]


def views_section(task: TaskFiles, budget: Budget, *, anchor: str, count: int, max_side: int) -> Html | None:
    """Return the pictures of the picked views and the table of all; ``None`` where there is neither."""
    views = views_of(task)
    shown = picked(views, count)
    if not views:
        return None
    ranks = _ranks(views)
    rows = [
        _view(task, view, budget, anchor=f"{anchor}-{index}", max_side=max_side, rank=ranks.get(view.name))
        for index, view in enumerate(shown)
    ]
    rows = [row for row in rows if row]
    said = f"All {len(views)} views." if len(rows) == len(views) else f"{len(rows)} of {len(views)} views"
    if 0 < len(rows) < len(views):
        said += ", picked by rank from the worst to the best."
    elif len(rows) < len(views):
        said += " have pictures."
    background = task.metrics.get("background")
    if isinstance(background, str):
        said += f" Background: {background}."
    return joined(
        element("p", f"{said} {SCALES} Select a picture to enlarge its view.", class_="muted")
        if rows
        else element("p", said),
        *rows,
        table(views) if any(view.psnr is not None for view in views) else None,
    )


def _ranks(views: Sequence[View]) -> dict[str, str]:
    measured = sorted((view.psnr, view.name) for view in views if view.psnr is not None)
    return {measured[0][1]: "worst", measured[-1][1]: "best"} if len(measured) > 1 else {}


def _view(task: TaskFiles, view: View, budget: Budget, *, anchor: str, max_side: int, rank: str | None) -> Html | None:
    # The name is data: it must not lead out of the folder.
    if Path(view.name).name != view.name or "\0" in view.name:
        budget.remarks.append(f"view {view.name!r} has no usable file name")
        return None
    pictures = []
    for ending, title in KINDS.items():
        path = view.path(task.paths.evaluation, ending)
        picture = embed_image(path, budget, max_side=max_side) if path.is_file() else None
        if picture:
            pictures.append(_picture(picture.address, f"{title}, view {view.name}", title, anchor, picture.width))
    if not pictures:
        return None
    tag = element("span", rank, class_="rank") if rank else None
    heading = element("div", element("b", view.name), " ", element("span", view.metrics, class_="muted num"), tag)
    close = element("a", "close", href=f"#{anchor.rpartition('-')[0]}", class_="close")
    return element("div", heading, close, element("div", *pictures, class_="pictures"), class_="view", id=anchor)


def _picture(address: str, alternative: str, title: str, anchor: str, width: int) -> Html:
    image = element("img", src=address, alt=alternative, class_="small" if width < 200 else None)
    return element("figure", element("a", image, href=f"#{anchor}"), element("figcaption", title))


def table(views: Sequence[View]) -> Html:
    """Return the metrics of every view, folded."""
    known = [view.psnr for view in views if view.psnr is not None]
    low, high = min(known), max(known)
    lines = []
    for view in views[:MAX_TABLE_ROWS]:
        share = None if view.psnr is None else 10 + 90 * (view.psnr - low) / ((high - low) or 1)
        psnr = element("td", decimals(view.psnr, 2), class_="num")
        ssim = element("td", decimals(view.ssim, 4), class_="num")
        bar = element("td", share and element("i", style=f"width:{share:.0f}%"), class_="bar")
        lines.append(element("tr", element("td", view.name), psnr, ssim, bar))
    head = element(
        "tr", *(element("th", title) for title in ("view", "PSNR, dB", "SSIM", f"{low:.1f} … {high:.1f} dB"))
    )
    left_out = len(views) - len(lines)
    return element(
        "details",
        element("summary", f"Metrics of all {len(views)} views"),
        element("div", element("table", head, *lines), class_="scroll"),
        element("p", f"{left_out} more are in metrics.json.") if left_out else None,
    )
