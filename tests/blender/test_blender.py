"""The program that runs inside Blender needs nothing of ours, and keeps standard output for its events."""

from __future__ import annotations

import json
from pathlib import Path

from nsg_cluster.core.process import run
from tests.objects.shapes import blender_or_skip

# The modules below are tested through Blender, in tests/objects/test_render.py:
# nsg_cluster.blender.events, nsg_cluster.blender.job, nsg_cluster.blender.model, nsg_cluster.blender.scene,
# nsg_cluster.blender.views.


def test_a_job_of_nonsense_ends_with_a_traceback_on_standard_error(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(json.dumps({"model": "none"}))
    answer = run(blender_or_skip().command(tmp_path / "job.json"), timeout_s=120, cwd=tmp_path)
    assert answer.status == 1
    assert answer.out == ""
    assert "KeyError: 'format'" in answer.err
