"""Find the compiled kernels, and say which backend computes.

The compiled module ``nsg_kernels`` has a top-level name of its own, so that a snapshot of this package on
``PYTHONPATH`` still finds the one that was installed. ``NSG_KERNELS`` chooses: ``auto`` (the default) takes what is
compiled for the device of the tensors, ``torch`` the plain PyTorch definitions, ``cpu`` or ``cuda`` insists on the
compiled kernels for that device and fails where they are missing.
"""

from __future__ import annotations

import importlib
import logging
import os
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from nsg_cluster.core.errors import MachineError, did_you_mean

__all__ = ["ABI", "choice", "describe", "kernel_targets", "kernels", "module"]

ABI = 3
"""Version of the interface between this package and the compiled module."""

CHOICES = ("auto", "torch", "cpu", "cuda")

_log = logging.getLogger(__name__)


@cache
def _load() -> tuple[ModuleType | None, str]:
    """Import the compiled module once; return it, or why there is none."""
    try:
        module = importlib.import_module("nsg_kernels")
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == "nsg_kernels"
        return None, "nsg_kernels is not installed" if absent else f"nsg_kernels cannot be imported: {error}"
    if module.ABI != ABI:
        return None, f"nsg_kernels has interface {module.ABI}, this package needs {ABI}: install it again"
    return module, f"nsg_kernels, {module.COMPILER}"


def choice() -> str:
    """Return what ``NSG_KERNELS`` asks for.

    Raises:
        MachineError: It is none of the choices.
    """
    word = os.environ.get("NSG_KERNELS", "auto")
    if word not in CHOICES:
        raise MachineError(f"NSG_KERNELS: '{word}' is not one of {', '.join(CHOICES)}.{did_you_mean(word, CHOICES)}")
    return word


def kernels(tensor: Tensor) -> Any:
    """Return the compiled kernels that compute on a tensor, or None for the PyTorch definitions.

    Kernels compute in float32. Tensors of float64, the dtype of gradient checks, always get the definitions. Those for
    CUDA belong to the device of the tensor and to the stream that is current now; a backward pass may use them again,
    because autograd runs it on the stream of the forward pass.

    Raises:
        MachineError: ``NSG_KERNELS`` asks for kernels that this machine lacks, or cannot be understood.
    """
    wanted = choice()
    if wanted == "torch" or tensor.dtype == torch.float64:
        return None
    device = tensor.device.type
    module, reason = _load()
    found = getattr(module, device, None)
    if found is None:
        if wanted == device:
            raise MachineError(f"NSG_KERNELS={wanted}: {_reason_for(device, module, reason)}")
        _say_once(_reason_for(device, module, reason))
        return None
    if device == "cuda":
        return found(tensor.device.index, torch.cuda.current_stream(tensor.device).cuda_stream)
    found.set_num_threads(torch.get_num_threads())
    return found


def module() -> Any:
    """Return the compiled module, which must be there."""
    return _load()[0]


def kernel_targets() -> str:
    """Return the GPUs that the compiled kernels have code for, such as ``sm_80 sm_90``; empty where they have none."""
    return str(getattr(getattr(module(), "cuda", None), "TARGET", ""))


def _reason_for(device: str, module: ModuleType | None, reason: str) -> str:
    return reason if module is None else f"nsg_kernels was built without {device} kernels"


@cache
def _say_once(reason: str) -> None:
    _log.warning("computing with the plain PyTorch definitions, which are slower: %s", reason)


def describe() -> dict[str, str]:
    """Return the backend on each device, and why."""
    module, reason = _load()
    answer = {"choice": choice(), "module": reason}
    for device in ("cpu", "cuda"):
        is_compiled = getattr(module, device, None) is not None and answer["choice"] != "torch"
        answer[device] = f"compiled ({getattr(module, device).TARGET})" if is_compiled else "torch"
    if not torch.cuda.is_available():
        answer["cuda"] += ", no device is present"
    return answer
