"""Held-out views: which are shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nsg_cluster.report.collect import read_tasks
from nsg_cluster.report.media import Budget
from nsg_cluster.report.views import SCALES, View, picked, views_of, views_section


def test_views_are_picked_from_the_worst_to_the_best_and_keep_their_order() -> None:
    psnrs = [30.0, 12.0, 25.0, 31.0, None, 20.0, 28.0]
    views = [View(f"v{index}", psnr, None) for index, psnr in enumerate(psnrs)]
    assert picked(views, 7) == views
    assert [view.psnr for view in picked(views[:4], 2)] == [12.0, 31.0]
    assert [view.psnr for view in picked(views[:4], 3)] == [30.0, 12.0, 31.0]
    assert len(picked(views, 5)) == 5
    assert len(picked(views, 1)) == 1


def test_the_page_names_the_scales_that_the_pictures_were_made_with() -> None:
    pytest.importorskip("torch", reason="torch comes with nsg-cluster[train]")
    from nsg_cluster.outputs import pictures

    assert f"{pictures.FULL_ERROR} of full scale" in SCALES


def test_without_metrics_the_pictures_that_are_there_are_shown(build_run: Any) -> None:
    run = build_run()
    run.task(0).metrics.unlink()
    (task,) = read_tasks([run.root])
    assert [view.name for view in views_of(task)] == ["r_0", "r_1", "r_2"]
    section = views_section(task, Budget(1 << 20), anchor="a", count=6, max_side=100)
    assert section is not None
    assert section.count("<img") == 12
    assert "not measured" in section


def test_a_name_cannot_lead_out_of_the_folder(build_run: Any) -> None:
    run = build_run()
    names = ["../r_0", "/etc/passwd", "a\0b", "..", "r_1"]
    (run.task(0).root / "r_0.png").write_bytes((run.task(0).evaluation / "r_0.png").read_bytes())
    run.task(0).metrics.write_text(json.dumps({"per_view": [{"name": name, "psnr": 3} for name in names]}))
    (task,) = read_tasks([run.root])
    budget = Budget(1 << 20)
    section = views_section(task, budget, anchor="a", count=6, max_side=100)
    assert section is not None
    assert section.count("<img") == 4
    assert len(budget.remarks) == 3
