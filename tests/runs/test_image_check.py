"""What an image has said of itself, as findings: `nsg_cluster.runs.image_check`."""

from __future__ import annotations

from typing import Any

import pytest

from nsg_cluster.runs.finding import Finding
from nsg_cluster.runs.image_check import findings

SAID: dict[str, Any] = {
    "python": "3.12.3",
    "executable": "/opt/nsg/bin/python3",
    "packages": {
        **dict.fromkeys(("torch", "numpy", "pydantic", "PyYAML", "imageio"), "1.0"),
        "tinycudann": "2.0",
        "apex": None,
    },
    "kernels": {"cpu": "compiled (avx512)", "cuda": "compiled (sm_70 sm_80 sm_90), no device is present"},
    "architectures": {"torch": [50, 60, 70, 80, 90], "nsg_kernels": [70, 80, 90], "tinycudann": [70, 80]},
    "blender": {"found": "bpy 5.0.1 of /opt/nsg-render/bin/python", "error": ""},
    "errors": [],
}


def wrong(said: dict[str, Any], architecture: str | None = None) -> list[str]:
    """Return the names of what is not well."""
    return [item.name for item in findings(said, None, architecture) if not item.ok]


def test_an_image_that_has_everything_is_well() -> None:
    assert wrong(SAID) == wrong(SAID, "8.0") == wrong(SAID, "7.0") == []


def test_gpu_code_is_asked_of_each_library_that_is_there() -> None:
    assert wrong(SAID, "9.0") == ["GPUs of tinycudann"]
    without = {**SAID, "packages": {**SAID["packages"], "tinycudann": None}}
    assert wrong(without, "9.0") == []
    assert wrong(without, "10.0") == ["GPUs of torch"]  # ours comes with intermediate code
    cpu = {**without, "architectures": {"torch": [], "nsg_kernels": [], "tinycudann": []}}
    assert wrong(cpu) == [] and wrong(cpu, "8.0") == ["GPUs of torch", "GPUs of nsg_kernels"]


def test_what_is_missing_or_fails_is_named() -> None:
    packages = {**SAID["packages"], "numpy": None}
    broken = {**SAID, "packages": packages, "kernels": {"cpu": "torch"}, "errors": ["a tiny training fails: no"]}
    assert wrong(broken) == ["numpy", "kernels", "training"]
    without_torch = {key: SAID[key] for key in ("python", "executable", "packages", "blender")}
    assert wrong({**without_torch, "errors": ["torch cannot be imported: x"]}) == ["kernels", "training"]


def blender(found: str, error: str, *, renders: bool) -> Finding:
    said = {**SAID, "blender": {"found": found, "error": error}}
    return next(item for item in findings(said, None, None, renders=renders) if item.name == "blender")


@pytest.mark.parametrize("renders", [True, False])
def test_a_blender_that_is_there_must_render(renders: bool) -> None:
    well = blender("bpy 5.0.1 of /opt/python", "", renders=renders)
    assert (well.ok, well.found) == (True, "bpy 5.0.1 of /opt/python: renders without a display")
    broken = blender("bpy 5.0.1 of /opt/python", "Blender failed: no libGL.so.1", renders=renders)
    assert (broken.ok, broken.found) == (
        False,
        "bpy 5.0.1 of /opt/python does not render: Blender failed: no libGL.so.1",
    )
    assert "docker/Dockerfile.render" in broken.advice


def test_an_image_without_blender_fails_only_what_renders() -> None:
    assert blender("", "there is none", renders=False).ok
    lacking = blender("", "there is none", renders=True)
    assert not lacking.ok
    assert "docker/Dockerfile.render" in lacking.advice
