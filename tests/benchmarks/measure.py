"""How everything here is measured.

On a CPU the figure is CPU-seconds of the whole process (all threads), which other programs on the machine disturb
least; on a GPU it is seconds between two events on the device. Each figure is the median of several repeats after a
warm-up; two figures that are compared are measured in turn, A B A B …, so that drift of the machine hits both.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

__all__ = ["compare", "gauges", "machine", "peak_memory_bytes", "seconds"]

Work = Callable[[], object]


def _once(work: Work, device: str) -> float:
    if device == "cuda":
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        begin.record()
        work()
        end.record()
        torch.cuda.synchronize()
        return float(begin.elapsed_time(end)) / 1e3
    before = time.process_time()
    work()
    return time.process_time() - before


def compare(works: Mapping[str, Work], *, device: str = "cpu", repeats: int = 5) -> dict[str, float]:
    """Return the median seconds of each piece of work, measured in turn."""
    for work in works.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            taken[name].append(_once(work, device))
    return {name: statistics.median(values) for name, values in taken.items()}


def seconds(work: Work, *, device: str = "cpu", repeats: int = 5) -> float:
    """Return the median seconds of one piece of work."""
    return compare({"work": work}, device=device, repeats=repeats)["work"]


def peak_memory_bytes() -> int:
    """Return the largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def machine(device: str) -> dict[str, object]:
    """Return what a reader must know to compare figures."""
    from nsg_cluster.ops.library import describe

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cpu": model or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "kernels": describe(),
    }


def gauges(device: str = "cpu") -> dict[str, float]:
    """Return the two ceilings of the machine: bytes moved by a copy, and float32 operations of a matrix product.

    Both are per second of the clock that this module uses, so on a CPU per CPU-second.
    """
    source = torch.randn(1 << 25, device=device)
    target = torch.empty_like(source)
    a, b = (torch.randn(2048, 2048, device=device) for _ in range(2))
    taken = compare({"copy": lambda: target.copy_(source), "sgemm": lambda: a @ b}, device=device, repeats=7)
    return {
        "copy_bytes_per_s": 2 * source.numel() * 4 / taken["copy"],
        "sgemm_flop_per_s": 2 * 2048**3 / taken["sgemm"],
    }
