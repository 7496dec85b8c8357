"""What this Python has, as one JSON document: ``python -m nsg_cluster.tasks.inventory``.

``image check`` runs it in an image. It says which packages are there, which backend computes, what GPU code is built
for, whether a tiny training works on the CPU, and whether Blender renders, if there is one. tiny-cuda-nn asks for a
device when it is imported, so that it is imported only where there is one.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import json
import platform
import re
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from nsg_cluster import __version__
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal

__all__ = ["take"]

PACKAGES = ("torch", "numpy", "pydantic", "PyYAML", "jaxtyping", "imageio", "tensorboard", "tinycudann", "apex")
TINY = {
    "name": "check",
    "data": {"kind": "synthetic", "image_size": 16, "train_views": 4, "test_views": 1, "supersample": 1},
    "model": {
        "kind": "instant_ngp",
        "hash_grid": {"levels": 4, "log2_table_size": 10, "base_resolution": 4, "max_resolution": 32},
        "hidden_width": 16,
        "sampler": {"kind": "occupancy", "resolution": 16, "steps_per_diagonal": 48},
    },
    "train": {"steps": 2, "rays": 64, "samples": 2048, "device": "cpu", "threads": 1},
}


def take() -> dict[str, Any]:
    """Return the document; what does not work stands in it as a sentence."""
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "executable": sys.executable,
        "version": __version__,
        "package": str(Path(__file__).resolve().parents[1]),
        "packages": {name: _version(name) for name in PACKAGES},
        "blender": _blender(),
    }
    try:
        import torch
    except ImportError as error:
        return {**found, "errors": [f"torch cannot be imported: {error}"]}
    from nsg_cluster.ops.library import describe

    has_device = torch.cuda.is_available()
    found |= {
        "kernels": describe(),
        "devices": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "architectures": {"torch": _torch_architectures(), "nsg_kernels": _own(), "tinycudann": _tiny_cuda_nn()},
    }
    errors = [_import_error(name) for name in ("tinycudann", "apex") if has_device and found["packages"][name]]
    return {**found, "errors": [text for text in [*errors, _training_error()] if text]}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _blender() -> dict[str, str]:
    # Above this package: reached at call time, as training is.
    from nsg_cluster.objects.trial import try_blender

    return try_blender()


def _torch_architectures() -> list[int]:
    """Return what torch's own kernels are built for; without a device torch does not say it in its public interface."""
    import torch

    flags = getattr(torch._C, "_cuda_getArchFlags", lambda: None)()
    return _numbers(flags or "")


def _own() -> list[int]:
    """Return what our kernels are built for."""
    from nsg_cluster.ops.library import kernel_targets

    return _numbers(kernel_targets())


def _tiny_cuda_nn() -> list[int]:
    """Return what tiny-cuda-nn is built for, from the names of its files."""
    spec = importlib.util.find_spec("tinycudann_bindings")
    folders = spec.submodule_search_locations if spec else None
    names = [path.name for folder in folders or () for path in Path(folder).glob("_*_C*.so")]
    return sorted({int(name[1:].partition("_")[0]) for name in names})


def _numbers(text: str) -> list[int]:
    return sorted({int(number) for number in re.findall(r"sm_(\d+)", text)})


def _import_error(name: str) -> str | None:
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - packages of others fail in any way
        return f"{name} cannot be imported: {error}"
    return None


def _training_error() -> str | None:
    """Return why a tiny training fails, if it does."""
    from nsg_cluster.config.schema import Experiment
    from nsg_cluster.training.loop import train

    experiment = Experiment.model_validate(TINY)
    try:
        with tempfile.TemporaryDirectory(prefix="nsg-check-") as folder, StopSignal() as stop:
            train(experiment, TaskPaths(Path(folder)), stop=stop)
    except Exception as error:  # noqa: BLE001 - whatever it is, the image cannot train
        traceback.print_exc()
        return f"a tiny training fails: {error}"
    return None


def main() -> int:
    """Print the document; 0 where nothing fails."""
    # What others print belongs to people, and the document to programs.
    with contextlib.redirect_stdout(sys.stderr):
        found = take()
    print(json.dumps(found))  # noqa: T201 - a program
    return 1 if found["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
