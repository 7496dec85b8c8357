"""What this machine can give to the tasks that it runs: its GPUs and its CPUs."""

from __future__ import annotations

import os
import shutil

from nsg_cluster.core.errors import MachineError
from nsg_cluster.core.process import run

__all__ = ["num_cpus", "visible_gpus"]


def visible_gpus() -> tuple[str, ...]:
    """Return what ``CUDA_VISIBLE_DEVICES`` calls the GPUs that this process may use."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(name.strip() for name in named.split(",") if name.strip())
    if not shutil.which("nvidia-smi"):
        return ()
    try:
        answer = run(["nvidia-smi", "--list-gpus"], timeout_s=30)
    except MachineError:
        return ()
    # Without a driver it fails and says so on standard output.
    lines = answer.out.splitlines() if answer.status == 0 else []
    return tuple(str(index) for index in range(sum(line.startswith("GPU ") for line in lines)))


def num_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
