"""Rendering a 3D model into a data set: views per CPU-minute, beside the loop over ``bpy`` that people write.

Ours writes exact depth as well. CPU-seconds are those of Blender and whatever it starts, its own start included.
"""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Callable
from pathlib import Path

from nsg_cluster.config.objects import ObjectsData
from nsg_cluster.core.errors import MachineError
from nsg_cluster.core.process import run as run_program
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.objects.program import find_blender
from nsg_cluster.objects.render import render_model
from tests.benchmarks.quality import data_root

VIEWS, SIZE, SAMPLES, THREADS = 24, 128, 32, 1


def run(device: str, peer: Path | None) -> list[dict[str, object]]:
    """Measure the armadillo."""
    del device, peer
    model = data_root() / "obj_meshes" / "armadillo.obj"
    try:
        blender = find_blender()
    except MachineError as error:
        return [{"skipped": str(error)}]
    if not model.is_file():
        return [{"skipped": f"no {model}: set NSG_DATA"}]
    with tempfile.TemporaryDirectory() as scratch:
        ours = _views_per_cpu_minute(lambda: _ours(model, Path(scratch, "ours"), VIEWS), VIEWS)
        plain = _views_per_cpu_minute(lambda: _plain(blender.program, model, scratch, VIEWS), VIEWS)
        alone = _views_per_cpu_minute(lambda: _plain(blender.program, model, scratch, 1), 1)
    return [
        {
            "model": model.name,
            "views": VIEWS,
            "size": SIZE,
            "samples": SAMPLES,
            "views_per_cpu_minute": {
                "ours, with depth": ours,
                "plain loop": plain,
                "plain loop, a Blender for each view": alone,
            },
        }
    ]


def _views_per_cpu_minute(work: Callable[[], None], views: int) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 60.0 * views / (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _ours(model: Path, folder: Path, views: int) -> None:
    data = ObjectsData.model_validate(
        {
            "kind": "objects",
            "model": str(model),
            "out": f"{folder}-{{settings}}",
            "views": views - 2,
            "val_views": 1,
            "test_views": 1,
            "image_size": SIZE,
            "samples": SAMPLES,
            "threads": THREADS,
            "device": "cpu",
        }
    )
    render_model(data, data.folder, stop=StopSignal())


def _plain(python: Path, model: Path, folder: str, views: int) -> None:
    script = str(Path(__file__).with_name("plain_bpy_loop.py"))
    sizes = map(str, (views, SIZE, SAMPLES, THREADS))
    run_program([str(python), "-I", script, str(model), *sizes, folder], timeout_s=600).check()
