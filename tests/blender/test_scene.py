"""Which device Cycles renders on, told by preferences that stand in for Blender's: `nsg_cluster.blender.scene`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from nsg_cluster.blender.events import BrokenModelError
from nsg_cluster.core.errors import DataError
from tests.objects.shapes import blender_or_skip, render, settings, write_box


@dataclass
class Device:
    """A device as Blender lists it."""

    type: str
    use: bool = False


class Preferences:
    """Those of Cycles on a machine with some devices, in a Blender that was built for some kinds."""

    def __init__(self, built_for: set[str], machine: list[str]) -> None:
        self._built_for, self._machine = built_for, machine
        self._kind = "NONE"
        self.devices: list[Device] = []

    @property
    def compute_device_type(self) -> str:
        """The kind that is chosen."""
        return self._kind

    @compute_device_type.setter
    def compute_device_type(self, kind: str) -> None:
        if kind not in self._built_for:
            raise TypeError(f'bpy_struct: item.attr = val: enum "{kind}" not found')
        self._kind = kind

    def get_devices(self) -> None:
        """List the devices of the chosen kind, and the processor, of which a user had chosen all."""
        self.devices = [Device(kind, use=True) for kind in self._machine if kind in {self._kind, "CPU"}]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the module, imported beside modules that stand in for Blender's."""
    for name in ("bpy", "mathutils"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["mathutils"].Vector = tuple  # type: ignore[attr-defined]
    monkeypatch.delitem(sys.modules, "nsg_cluster.blender.scene", raising=False)
    yield importlib.import_module("nsg_cluster.blender.scene")
    sys.modules.pop("nsg_cluster.blender.scene", None)


def chosen(scene: Any, preferences: Preferences, device: str) -> tuple[str, str]:
    """Return the device that is told, and what Cycles is set to."""
    addons = {"cycles": SimpleNamespace(preferences=preferences)}
    scene.bpy.context = SimpleNamespace(preferences=SimpleNamespace(addons=addons))
    cycles = SimpleNamespace()
    stage = SimpleNamespace(cycles=cycles, render=SimpleNamespace())
    return scene._cycles(stage, {"samples": 4, "threads": 2, "device": device}), cycles.device


@pytest.mark.parametrize(
    ("built_for", "machine", "device", "expected"),
    [
        ({"OPTIX", "CUDA", "HIP", "ONEAPI"}, ["CPU", "OPTIX", "OPTIX", "CUDA"], "auto", ("optix", "GPU")),
        ({"OPTIX", "CUDA", "HIP", "ONEAPI"}, ["CPU", "CUDA"], "auto", ("cuda", "GPU")),
        ({"METAL"}, ["CPU", "METAL"], "gpu", ("metal", "GPU")),
        ({"OPTIX", "CUDA"}, ["CPU", "OPTIX"], "cpu", ("cpu", "CPU")),
        ({"OPTIX", "CUDA"}, ["CPU"], "auto", ("cpu", "CPU")),
        (set(), ["CPU", "CUDA"], "auto", ("cpu", "CPU")),
    ],
)
def test_the_first_kind_of_gpu_that_is_there_renders_without_the_processor(
    scene: Any, built_for: set[str], machine: list[str], device: str, expected: tuple[str, str]
) -> None:
    preferences = Preferences(built_for, machine)
    assert chosen(scene, preferences, device) == expected
    if expected[1] == "GPU":
        assert [device.type.lower() for device in preferences.devices if device.use] == [
            kind.lower() for kind in machine if kind.lower() == expected[0]
        ]


def test_a_gpu_that_is_asked_for_and_not_there_is_a_sentence(scene: Any) -> None:
    with pytest.raises(BrokenModelError, match="a GPU is asked for and Blender finds none: use device cpu, or auto"):
        chosen(scene, Preferences({"CUDA"}, ["CPU"]), "gpu")


def test_blender_itself_says_so(tmp_path: Path) -> None:
    blender_or_skip()
    if Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists():
        pytest.skip("this machine has a GPU")
    with pytest.raises(DataError, match=r"box\.obj: a GPU is asked for and Blender finds none"):
        render(settings(write_box(tmp_path), tmp_path / "out", device="gpu"))
    assert not (tmp_path / "out").exists()
