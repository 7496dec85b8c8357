"""Curves of a training as inline SVG whose colors are those of the page, light or dark.

matplotlib draws in placeholder colors, which become CSS variables: ``--ink-2`` for text, ``--line`` for the axes,
``--c0`` to ``--c7`` for series. No text of a run enters a drawing: legends are HTML beside it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nsg_cluster.core.errors import MachineError
from nsg_cluster.report.collect import number
from nsg_cluster.report.markup import Html, escaped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["NUM_COLORS", "Curve", "Panel", "curve_of", "draw", "panels_of", "require_matplotlib"]

NUM_COLORS = 8
INK, LINE = "#010203", "#010204"
SERIES = [f"#0102{16 + index:02x}" for index in range(NUM_COLORS)]
VARIABLES = {INK: "--ink-2", LINE: "--line", **{color: f"--c{index}" for index, color in enumerate(SERIES)}}
SIZE_INCHES = (4.4, 2.3)
SMOOTHED_FROM = 200
MARKED_TO = 12
STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.formatter.limits": (-4, 5),
    "axes.formatter.use_mathtext": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.xmargin": 0.01,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "grid.alpha": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.6,
    "lines.solid_joinstyle": "round",
}

# Title of each panel, whether its axis is logarithmic, and the fields of the events in it with what they are called.
PANELS: tuple[tuple[str, bool, dict[str, str]], ...] = (
    ("Loss", True, {"loss": "all terms"}),
    ("PSNR, dB", False, {"psnr": "training rays", "preview_psnr": "preview of a held-out view"}),
    ("Learning rate", True, {"lr": ""}),
    ("Rays per step", False, {"rays": ""}),
    ("Samples per step", False, {"samples": ""}),
    ("Samples per ray", False, {"samples_per_ray": ""}),
    (
        "Terms of the loss, weighted",
        True,
        {"photometric": "photometric", "opacity_entropy": "opacity entropy", "distortion": "distortion"},
    ),
    ("Occupied share of the grid", False, {"occupied": ""}),
)
NO_PANEL = {"step", "time", "cpu_s", "wall_s"}
MAX_PANELS = 16


@dataclass(frozen=True, slots=True)
class Curve:
    """A quantity over the training."""

    label: str
    points: tuple[tuple[float, float, float | None], ...]
    """Step, value and CPU seconds so far."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves of one unit, to be drawn in one diagram."""

    title: str
    is_log: bool
    curves: tuple[Curve, ...]


def require_matplotlib() -> None:
    """Return where matplotlib is installed.

    Raises:
        MachineError: It is not.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MachineError(
            "the report needs matplotlib, which is not installed here: pip install 'nsg-cluster[report]'"
        ) from None


def panels_of(scalars: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """Return what the events of a training hold: the well-known quantities, then each other one in its own panel."""
    known = {field for _, _, fields in PANELS for field in fields}
    others = dict.fromkeys(field for event in scalars for field in event if field not in known | NO_PANEL)
    panels: list[Panel] = []
    for title, is_log, fields in (*PANELS, *((field, False, {field: ""}) for field in others)):
        curves = [curve_of(scalars, field, label) for field, label in fields.items()]
        curves = [curve for curve in curves if curve.points]
        if curves and len(panels) < MAX_PANELS:
            panels.append(Panel(title, is_log, tuple(curves)))
    return panels


def curve_of(scalars: Sequence[Mapping[str, Any]], field: str, label: str = "") -> Curve:
    """Return one quantity over the training, without points where the events lack it."""
    values = ((event, _samples_per_ray(event) if field == "samples_per_ray" else event.get(field)) for event in scalars)
    found = ((event, number(value)) for event, value in values)
    points = ((event["step"], value, number(event.get("cpu_s"))) for event, value in found if value is not None)
    return Curve(label, tuple(points))


def _samples_per_ray(event: Mapping[str, Any]) -> float | None:
    rays, samples = number(event.get("rays")), number(event.get("samples"))
    return samples / rays if rays and samples is not None else None


def draw(curves: Mapping[int, Curve], *, is_log: bool, over_cpu_s: bool, label: str) -> Html | None:
    """Draw curves into one diagram.

    Args:
        curves: By the number of their color.
        is_log: Whether the vertical axis is logarithmic, where the values allow and need it.
        over_cpu_s: Whether the horizontal axis is CPU seconds instead of steps.
        label: What the drawing shows, for those who cannot see it; unique in the page.

    Returns:
        The SVG; ``None`` where no curve has points.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    series = {color: _coordinates(curve, over_cpu_s=over_cpu_s) for color, curve in curves.items()}
    series = {color: points for color, points in series.items() if points}
    if not series:
        return None
    with mpl.rc_context({**STYLE, "svg.hashsalt": label}):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        axes = figure.add_subplot()
        if is_log:
            _use_log_scale(axes, [y for points in series.values() for _, y in points])
        for color, points in series.items():
            _plot(axes, points, SERIES[color % NUM_COLORS])
        axes.set_xlabel("CPU seconds" if over_cpu_s else "step")
        stream = io.StringIO()
        nothing = dict.fromkeys(["Date", "Creator", "Format", "Type"])
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    return _inlined(stream.getvalue(), label)


def _coordinates(curve: Curve, *, over_cpu_s: bool) -> list[tuple[float, float]]:
    if not over_cpu_s:
        return [(step, value) for step, value, _ in curve.points]
    return [(cpu_s, value) for _, value, cpu_s in curve.points if cpu_s is not None]


def _use_log_scale(axes: Axes, values: Sequence[float]) -> None:
    """Use a logarithmic axis for positive values that differ much; few decades get labels between them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if min(values) <= 0 or max(values) / min(values) < 3:
        return
    axes.set_yscale("log")
    subs = (1.0,) if max(values) / min(values) > 50 else (1.0, 2.0, 5.0)
    axes.yaxis.set_major_locator(LogLocator(subs=subs))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _plot(axes: Axes, points: Sequence[tuple[float, float]], color: str) -> None:
    """Draw a line; few points are marked, many are drawn thin with their moving average on top."""
    x, y = zip(*points, strict=True)
    is_dense = len(points) >= SMOOTHED_FROM
    marker = "o" if len(points) <= MARKED_TO else ""
    alpha, width = (0.35, 0.7) if is_dense else (1.0, 1.6)
    axes.plot(x, y, color=color, alpha=alpha, linewidth=width, marker=marker, markersize=4)
    if is_dense:
        axes.plot(x, _moving_average(y, len(points) // 40), color=color)


def _moving_average(values: Sequence[float], reach: int) -> list[float]:
    """Average each value with those at most ``reach`` places away, fewer at the ends, the same on both sides."""
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    averages = []
    for index in range(len(values)):
        side = min(reach, index, len(values) - 1 - index)
        averages.append((sums[index + side + 1] - sums[index - side]) / (2 * side + 1))
    return averages


def _inlined(svg: str, label: str) -> Html:
    """Make a file an element of a page: no header, style or size of its own, identifiers and colors of the page."""
    prefix = re.sub(r"[^a-z0-9]+", "-", label.lower())
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<style.*?</style>|font-family: [^;]*;", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}-", svg)
    svg = re.sub(r"\s*\n\s*", " ", svg).replace("> <", "><")
    for color, variable in VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    view_box = re.search(r'viewBox="[^"]*"', svg)
    assert view_box  # matplotlib always writes one
    xlink = "http://www.w3.org/1999/xlink"
    opening = f'<svg role="img" aria-label="{escaped(label)}" {view_box[0]} xmlns:xlink="{xlink}">'
    return Html(re.sub(r"<svg[^>]*>", lambda _: opening, svg, count=1))
