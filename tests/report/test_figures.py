"""Curves as inline SVG."""

from __future__ import annotations

import re
import sys
from typing import Any
from xml.etree import ElementTree

import pytest

from nsg_cluster.core.errors import MachineError
from nsg_cluster.report.figures import Curve, curve_of, draw, panels_of, require_matplotlib

EVENTS: list[dict[str, Any]] = [
    {"step": 1, "cpu_s": 0.5, "loss": 1.0, "rays": 4, "samples": 20, "psnr": None, "wall_s": 3},
    {"step": 2, "cpu_s": None, "loss": float("nan"), "rays": 0, "samples": 7},
    {"step": 2, "preview_psnr": 20.0, "cpu_s": 1.0},
    {"step": 3, "cpu_s": 1.5, "loss": 0.01, "rays": 2, "samples": 8, "<b>": 7.0, "psnr": "high"},
]


def test_panels_hold_the_finite_numbers_of_the_events_and_derive_samples_per_ray() -> None:
    panels = {panel.title: panel.curves for panel in panels_of(EVENTS)}
    assert list(panels) == ["Loss", "PSNR, dB", "Rays per step", "Samples per step", "Samples per ray", "<b>"]
    assert panels["Loss"][0].points == ((1, 1.0, 0.5), (3, 0.01, 1.5))
    assert panels["PSNR, dB"] == (Curve("preview of a held-out view", ((2, 20.0, 1.0),)),)
    assert panels["Samples per ray"][0].points == ((1, 5.0, 0.5), (3, 4.0, 1.5))
    assert panels_of([]) == []


def drawn(curves: dict[int, Curve], *, is_log: bool = False, over_cpu_s: bool = False) -> str:
    pytest.importorskip("matplotlib", reason="matplotlib comes with nsg-cluster[report]")
    return str(draw(curves, is_log=is_log, over_cpu_s=over_cpu_s, label="t: <x>"))


def test_a_drawing_is_well_formed_has_the_colors_of_the_page_and_identifiers_of_its_own() -> None:
    svg = drawn({0: curve_of(EVENTS, "loss"), 9: curve_of(EVENTS, "rays")}, is_log=True)
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == "t: <x>"
    assert set(re.findall(r"#0102\w\w|#[0-9a-f]{6}", svg)) <= {"#000000"}
    assert {"var(--c0)", "var(--c1)", "var(--ink-2)", "var(--line)"} <= set(re.findall(r"var\([^)]*\)", svg))
    identifiers = re.findall(r'\bid="([^"]*)"', svg)
    assert len(identifiers) == len(set(identifiers))
    assert all(name.startswith("t-x-") for name in identifiers)
    assert set(re.findall(r'(?:url\(#|href="#)([^")]*)', svg)) <= set(identifiers)
    assert "http" not in svg.replace("http://www.w3.org/1999/xlink", "")


def test_drawing_again_gives_the_same_bytes() -> None:
    curve = {0: curve_of(EVENTS, "loss")}
    assert drawn(curve) == drawn(curve)


def line_of(svg: str) -> list[tuple[float, float]]:
    """Return the corners of the last line of the first series, in the units of the drawing."""
    paths = re.findall(r'<path d="([^"]*)" clip-path="[^"]*" style="fill: none; stroke: var\(--c0\)', svg)
    return [(float(x), float(y)) for x, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", paths[-1])]


def test_a_line_passes_through_its_points_over_steps_and_over_cpu_seconds() -> None:
    curve = Curve("", ((0, 1.0, 0.0), (10, 3.0, 9.0), (20, 2.0, 10.0)))
    (x0, y0), (x1, y1), (x2, y2) = line_of(drawn({0: curve}))
    assert (x1 - x0) / (x2 - x0) == pytest.approx(0.5, abs=1e-3)
    assert (y2 - y0) / (y1 - y0) == pytest.approx(0.5, abs=1e-3)
    assert y1 < y0  # an SVG counts downwards
    (x0, _), (x1, _), (x2, _) = line_of(drawn({0: curve}, over_cpu_s=True))
    assert (x1 - x0) / (x2 - x0) == pytest.approx(0.9, abs=1e-3)


def test_logarithmic_axes_are_used_for_positive_values_that_differ_much() -> None:
    def middle(values: tuple[float, float, float]) -> float:
        curve = Curve("", tuple((step, value, None) for step, value in enumerate(values)))
        (_, low), (_, mid), (_, high) = line_of(drawn({0: curve}, is_log=True))
        return (mid - low) / (high - low)

    assert middle((1.0, 10.0, 100.0)) == pytest.approx(0.5, abs=1e-3)
    assert middle((1.0, 1.5, 2.0)) == pytest.approx(0.5, abs=1e-3)
    assert middle((0.0, 50.0, 100.0)) == pytest.approx(0.5, abs=1e-3)


def test_a_dense_curve_gets_a_moving_average_that_keeps_a_straight_line() -> None:
    svg = drawn({0: Curve("", tuple((step, float(step), None) for step in range(400)))})
    assert svg.count("stroke: var(--c0)") == 2
    assert "stroke-opacity: 0.35" in svg
    points = line_of(svg)
    (x0, y0), (x1, y1) = points[0], points[-1]
    assert y0 - y1 > 50
    assert all(y == pytest.approx(y0 + (y1 - y0) * (x - x0) / (x1 - x0), abs=0.01) for x, y in points)


def test_a_moving_average_flattens_a_dense_zigzag() -> None:
    zigzag = tuple((step, float(step % 2), None) for step in range(400))
    raw, smoothed = (line_of(drawn({0: Curve("", points)})) for points in (zigzag[:199], zigzag))
    inner = [y for x, y in smoothed if 100 < x < 200]
    assert max(inner) - min(inner) < (max(y for _, y in raw) - min(y for _, y in raw)) / 5


def test_nothing_is_drawn_of_nothing() -> None:
    pytest.importorskip("matplotlib", reason="matplotlib comes with nsg-cluster[report]")
    assert draw({}, is_log=True, over_cpu_s=False, label="x") is None
    assert draw({0: Curve("", ((1, 2.0, None),))}, is_log=False, over_cpu_s=True, label="x") is None


def test_without_matplotlib_one_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MachineError) as caught:
        require_matplotlib()
    assert str(caught.value).endswith("pip install 'nsg-cluster[report]'")
    assert "\n" not in str(caught.value)
