"""What works on this machine, what is missing, and how to get it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nsg_cluster import __version__
from nsg_cluster.config.container import NO_IMAGE
from nsg_cluster.config.site import Site
from nsg_cluster.container.program import find_program
from nsg_cluster.core.errors import MachineError, NsgError
from nsg_cluster.core.process import BLENDER, run
from nsg_cluster.core.units import format_bytes
from nsg_cluster.executor.machine import num_cpus, visible_gpus
from nsg_cluster.objects.program import find_blender
from nsg_cluster.runs.finding import Finding
from nsg_cluster.runs.site_check import examine_site

__all__ = ["EXTRAS", "LAUNCHER", "examine"]

OLDEST_PYTHON = (3, 10)
LITTLE_SPACE = 2 << 30
TIMEOUT_S = 30.0
# As in pyproject.toml, which is not installed; a test compares them.
LAUNCHER = ("PyYAML", "click", "pydantic", "rich", "spython", "submitit")
EXTRAS = {
    "train": (
        "imageio",
        "imageio-ffmpeg",
        "jaxtyping",
        "matplotlib",
        "numpy",
        "pillow",
        "psutil",
        "scikit-image",
        "scipy",
        "tensorboard",
        "torch",
        "trimesh",
    ),
}
COMPILERS = ("c++", "g++", "clang++")


def examine(site: str | None = None) -> list[Finding]:
    """Return the outcome of every check.

    Args:
        site: Name or file of the site whose storage is looked at.

    Raises:
        ConfigError: The site's file has mistakes.
    """
    from nsg_cluster.config.site import load_site

    found = load_site(site)
    return [
        _python(),
        *_packages(),
        _kernels(),
        _gpu(),
        _compiler(),
        _program("nvcc", "--version", advice="the CUDA toolkit compiles the GPU kernels; a CPU does not need it"),
        _ffmpeg(),
        _package("viser", extra="view", needed=False),
        *examine_site(found),
        _storage(Path(found.storage)),
        _containers(),
        _blender(found),
        _program("rsync", "--version", advice="'launch.py fetch' needs it, here and on the other machine"),
        _program("git", "--version", advice="without git a run does not record which sources it was made with"),
    ]


def _python() -> Finding:
    return Finding(
        name="python",
        ok=sys.version_info >= OLDEST_PYTHON,
        found=f"{platform.python_version()} at {sys.executable}; nsg_cluster {__version__}; {num_cpus()} CPUs",
        advice="" if sys.version_info >= OLDEST_PYTHON else "install Python 3.10 or newer",
        needed=True,
    )


def _packages() -> Iterator[Finding]:
    for name in LAUNCHER:
        yield _package(name, extra=None)
    for extra, names in EXTRAS.items():
        for name in names:
            yield _package(name, extra=extra)


def _package(name: str, *, extra: str | None, needed: bool = True) -> Finding:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        target = f".[{extra}]" if extra else "."
        advice = f"python -m pip install -e '{target}'"
        return Finding(name=name, ok=False, found="not installed", advice=advice, needed=needed)
    return Finding(name=name, ok=True, found=version, needed=needed)


def _kernels() -> Finding:
    """Report the backend that computes; the plain PyTorch definitions work as well, more slowly."""
    advice = "python -m pip install -e '.[train]' builds them where there is a C++ compiler"
    try:
        # Imports torch, which takes seconds.
        from nsg_cluster.ops.library import describe
    except ImportError as error:
        return Finding(name="kernels", ok=False, found=f"cannot be asked: {error}", advice="install the packages above")
    try:
        found = ", ".join(f"{name}: {value}" for name, value in describe().items())
    except NsgError as error:
        return Finding(name="kernels", ok=False, found=str(error), advice=advice)
    compiled = importlib.util.find_spec("nsg_kernels") is not None
    return Finding(name="kernels", ok=compiled, found=found, advice="" if compiled else advice)


def _gpu() -> Finding:
    gpus = visible_gpus()
    if not gpus:
        return Finding(name="gpu", ok=False, found="none", advice="everything works on a CPU, more slowly")
    try:
        import torch
    except ImportError:
        return Finding(name="gpu", ok=False, found=f"{len(gpus)}, but no torch", advice="install the packages above")
    if not torch.cuda.is_available():
        why = (
            "this build of torch has no CUDA"
            if torch.version.cuda is None
            else "torch cannot use it; is the driver old?"
        )
        return Finding(name="gpu", ok=False, found=f"{len(gpus)}, unused", advice=why)
    return Finding(name="gpu", ok=True, found=f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}")


def _compiler() -> Finding:
    program = next((name for name in COMPILERS if shutil.which(name)), None)
    if program:
        return _program(program, "--version", advice="")
    advice = "apt-get install g++ (or the like); without one the kernels are not compiled"
    return Finding(name="c++", ok=False, found="none", advice=advice)


def _program(name: str, option: str, *, advice: str) -> Finding:
    """Report the version of a program that is good to have."""
    if not shutil.which(name):
        return Finding(name=name, ok=False, found="not on PATH", advice=advice)
    try:
        answer = run([name, option], timeout_s=TIMEOUT_S)
    except MachineError as error:
        return Finding(name=name, ok=False, found=str(error), advice=advice)
    lines = [line for line in answer.out.splitlines() if any(character.isdigit() for character in line)]
    version = next((line for line in lines if "release" in line), lines[0] if lines else "unknown version")
    return Finding(name=name, ok=answer.status == 0, found=version.strip(), advice="" if answer.status == 0 else advice)


def _ffmpeg() -> Finding:
    try:
        import imageio_ffmpeg

        program = str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        advice = "python -m pip install -e '.[train]' brings one; without it there are no videos"
        return Finding(name="ffmpeg", ok=False, found=str(error), advice=advice, needed=True)
    return Finding(name="ffmpeg", ok=True, found=program, needed=True)


def _containers() -> Finding:
    try:
        found = find_program()
    except MachineError as error:
        return Finding(name="containers", ok=False, found="none", advice=f"for container.image only: {error}")
    return Finding(name="containers", ok=True, found=f"{found} at {found.path}")


def _blender(site: Site) -> Finding:
    """Report which Blender a task uses that renders 3D models."""
    image = site.container.image
    if image not in {None, NO_IMAGE}:
        found = f"what the image of the site's tasks has: 'python launch.py image check {image}' tells"
        return Finding(name="blender", ok=True, found=found)
    named = site.environment.get(BLENDER)
    if named and "$" in named:
        return Finding(name="blender", ok=True, found=f"{named}, which a job of the site looks up")
    try:
        found = str(find_blender(named))
    except MachineError as error:
        return Finding(name="blender", ok=False, found="none", advice=f"for 3D models only: {error}")
    where = "" if site.scheduler == "local" else "; jobs without a container use it as well, where their nodes see it"
    return Finding(name="blender", ok=True, found=f"{found}{where}")


def _storage(folder: Path) -> Finding:
    """Report whether runs can be written, and how much room there is."""
    elsewhere = "set NSG_STORAGE, or 'storage:' in ~/.config/nsg_cluster/config.yaml"
    above = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryDirectory(dir=above, prefix=".nsg-doctor-"):
            free = shutil.disk_usage(above).free
    except OSError as error:
        why = error.strerror or str(error)
        return Finding(name="storage", ok=False, found=f"{folder}: {why}", advice=elsewhere, needed=True)
    ok = free >= LITTLE_SPACE
    advice = "" if ok else f"a run needs some hundred MB: make room, or {elsewhere}"
    return Finding(name="storage", ok=ok, found=f"{folder}: {format_bytes(free)} free", advice=advice)
