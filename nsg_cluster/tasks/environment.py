"""What an attempt ran with: versions, machine, device, kernels, sources."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsg_cluster import __version__
from nsg_cluster.core.errors import RunError
from nsg_cluster.core.files import read_json, write_json
from nsg_cluster.core.paths import RunPaths, TaskPaths
from nsg_cluster.core.user import image_here

if TYPE_CHECKING:
    from nsg_cluster.config.schema import Experiment

__all__ = ["write_environment"]


def write_environment(experiment: Experiment, paths: TaskPaths) -> None:
    """Replace a task's ``environment.json``.

    Raises:
        MachineError: The device that the experiment asks for is missing.
        RunError: The file cannot be written.
    """
    # Read when torch is loaded: threads that wait for work shall sleep. Where others use the CPUs as well, waiting in
    # a loop takes several times as much CPU time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Only the process that computes has torch.
    import torch

    from nsg_cluster.ops.library import describe
    from nsg_cluster.training.device import prepare_device

    device = prepare_device(experiment.train)
    found: dict[str, Any] = {
        "version": __version__,
        **_sources(paths),
        **_image(paths),
        "package": str(Path(__file__).resolve().parents[1]),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "kernels": describe(),
        "device": device.type,
        "cpu_model": _cpu_model(),
        "threads": torch.get_num_threads(),
        "hostname": os.uname().nodename,
        "system": platform.platform(),
    }
    if device.type == "cuda":
        found |= {"gpu": torch.cuda.get_device_name(device), "cuda": torch.version.cuda}
    write_json(paths.environment, found)


def _sources(paths: TaskPaths) -> dict[str, Any]:
    """Return what the run was submitted with: a container has neither git nor the checkout."""
    try:
        record = read_json(RunPaths(paths.root.parents[1]).record)
        return {key: record[key] for key in ("git_commit", "git_dirty")}
    except (RunError, IndexError, KeyError, TypeError):
        return {}


def _image(paths: TaskPaths) -> dict[str, Any]:
    """Return the image that this process runs in, if it does, and the digest that it had when the run was submitted."""
    image = image_here()
    if not image:
        return {}
    try:
        digest = read_json(RunPaths(paths.root.parents[1]).container)["digest"]
    except (RunError, IndexError, KeyError, TypeError):
        digest = ""
    return {"image": image, "image_digest": digest}


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
