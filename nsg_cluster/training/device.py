"""Where to compute: the device, and how many CPU threads."""

from __future__ import annotations

import os

import torch

from nsg_cluster.config.schema import TrainConfig
from nsg_cluster.core.errors import MachineError
from nsg_cluster.ops.buffers import keep_freed_memory

__all__ = ["prepare_device"]


def prepare_device(config: TrainConfig, *, rank: int = 0, size: int = 1) -> torch.device:
    """Fix the number of CPU threads and return the device.

    Of several processes each has a GPU of its own, or its part of the threads.

    On a CPU the process keeps the memory that it frees: each step asks for the same again.

    Sums depend on the number of threads in their last bits, so it is set once: to ``threads``, or ``OMP_NUM_THREADS``
    where a scheduler sets it, or the CPUs that this process may use.

    Args:
        config: What is asked for.
        rank: Which of several processes this is.
        size: How many there are.

    Raises:
        MachineError: A GPU is asked for and there is none that works, or there are fewer GPUs than processes.
    """
    torch.set_num_threads(max(1, (config.threads or _job_cpus()) // size))
    has_gpu = torch.cuda.is_available()
    if config.device == "cuda" and not has_gpu:
        reason = "this build of torch has no CUDA" if torch.version.cuda is None else "no CUDA device can be used"
        raise MachineError(f"train.device: 'cuda' is asked for, but {reason}; set it to 'auto' or 'cpu'")
    if has_gpu and config.device != "cpu":
        return _own_gpu(rank, size) if size > 1 else torch.device("cuda")
    keep_freed_memory()
    return torch.device("cpu")


def _own_gpu(rank: int, size: int) -> torch.device:
    found = torch.cuda.device_count()
    if found < size:
        raise MachineError(
            f"train.processes: {size} processes need a GPU each, and there are {found}; set resources.gpus={size}, or "
            f"train.processes={found}"
        )
    torch.cuda.set_device(rank)
    return torch.device("cuda", rank)


def _job_cpus() -> int:
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) > 0 else len(os.sched_getaffinity(0))
