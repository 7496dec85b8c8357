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

__all__ = [
    "ceilings",
    "compare",
    "gauge_works",
    "gauges",
    "high_water_bytes",
    "machine",
    "medians",
    "peak_memory_bytes",
    "ratios",
    "reset_high_water",
    "seconds",
    "taken_in_turn",
]

COPIED, MATRIX = 1 << 25, 2048
COPY_BYTES, SGEMM_FLOP = 2 * COPIED * 4, 2 * MATRIX**3

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


def taken_in_turn(works: Mapping[str, Work], *, device: str = "cpu", repeats: int = 5) -> dict[str, list[float]]:
    """Return the seconds of each repeat of each piece of work, measured in turn after a warm-up."""
    for work in works.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            taken[name].append(_once(work, device))
    return taken


def compare(works: Mapping[str, Work], *, device: str = "cpu", repeats: int = 5) -> dict[str, float]:
    """Return the median seconds of each piece of work, measured in turn."""
    return medians(taken_in_turn(works, device=device, repeats=repeats))


def medians(taken: Mapping[str, list[float]]) -> dict[str, float]:
    """Return the median of each."""
    return {name: statistics.median(values) for name, values in taken.items()}


def ratios(taken: Mapping[str, list[float]], *, of: str) -> dict[str, list[float]]:
    """Return quartiles of how many times as long as one piece of work each other one takes, repeat by repeat.

    What disturbs the machine for a while disturbs both sides of a ratio alike.
    """
    pairs = {name: [a / b for a, b in zip(values, taken[of], strict=True)] for name, values in taken.items()}
    return {name: statistics.quantiles(values, n=4) for name, values in pairs.items() if name != of}


def seconds(work: Work, *, device: str = "cpu", repeats: int = 5) -> float:
    """Return the median seconds of one piece of work."""
    return compare({"work": work}, device=device, repeats=repeats)["work"]


def peak_memory_bytes() -> int:
    """Return the largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def high_water_bytes() -> int:
    """Return the largest resident size of this program; unlike what getrusage says, not that of the one before it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


def reset_high_water() -> int:
    """Let the largest resident size begin anew at the present one, which is returned."""
    Path("/proc/self/clear_refs").write_text("5")
    return high_water_bytes()


def machine(device: str) -> dict[str, object]:
    """Return what a reader must know to compare figures."""
    from nsg_cluster.ops.library import describe
    from nsg_cluster.runs.record import sources

    found = sources()
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
        "commit": found.commit,
        "commit_is_changed": found.dirty,
    }


def gauge_works(device: str = "cpu") -> dict[str, Work]:
    """Return two pieces of work that show what the machine can do: a copy of memory, and a matrix product."""
    source = torch.randn(COPIED, device=device)
    target = torch.empty_like(source)
    a, b = (torch.randn(MATRIX, MATRIX, device=device) for _ in range(2))
    return {"copy": lambda: target.copy_(source), "sgemm": lambda: a @ b}


def ceilings(taken: Mapping[str, list[float]]) -> dict[str, float]:
    """Return bytes moved by the copy and float32 operations of the product, per second of this module's clock."""
    middle = medians(taken)
    return {
        "copy_bytes_per_s": COPY_BYTES / middle["copy"],
        "sgemm_flop_per_s": SGEMM_FLOP / middle["sgemm"],
    }


def gauges(device: str = "cpu") -> dict[str, float]:
    """Return the two ceilings of the machine; on a CPU they are per CPU-second."""
    return ceilings(taken_in_turn(gauge_works(device), device=device, repeats=7))
