"""What works on this machine: `nsg_cluster.runs.doctor`, `nsg_cluster.executor.machine`."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest

from nsg_cluster.executor.machine import visible_gpus
from nsg_cluster.runs import doctor
from nsg_cluster.runs.doctor import EXTRAS, LAUNCHER, examine
from nsg_cluster.runs.finding import Finding

CHECKOUT = Path(__file__).resolve().parents[2]


def packages(text: str) -> set[str]:
    """Return the names of the packages in a list of requirements."""
    return {re.split(r"[><=\[]", name)[0].lower() for name in re.findall(r'"([^"]+)"', text)}


def test_the_packages_looked_for_are_those_of_the_project() -> None:
    text = (CHECKOUT / "pyproject.toml").read_text()
    dependencies = re.search(r"^dependencies = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    train = re.search(r"^train = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert dependencies and train
    assert packages(dependencies[1]) == {name.lower() for name in LAUNCHER}
    assert packages(train[1]) == set(EXTRAS["train"])


def by_name(site: str | None = None) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(site)}


def test_every_row_is_fine_or_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSG_STORAGE", str(tmp_path / "not" / "yet"))
    found = by_name()
    expected = "python torch kernels gpu c++ nvcc ffmpeg viser site storage containers rsync git"
    assert set(expected.split()) <= set(found)
    assert all(finding.ok or finding.advice for finding in found.values())
    assert found["storage"].ok and "free" in found["storage"].found and not list(tmp_path.iterdir())


def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "train", ("no-such-package",))
    finding = by_name()["no-such-package"]
    assert finding.is_fatal and finding.mark == "BROKEN"
    assert finding.advice == "python -m pip install -e '.[train]'"


def test_a_package_that_only_the_viewer_needs_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "viser":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    finding = by_name()["viser"]
    assert not finding.ok and not finding.is_fatal and finding.advice == "python -m pip install -e '.[view]'"


def test_a_storage_that_cannot_be_written_is_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSG_STORAGE", "/proc/nothing")
    finding = by_name()["storage"]
    assert finding.is_fatal and "NSG_STORAGE" in finding.advice


def test_little_room_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSG_STORAGE", str(tmp_path))
    monkeypatch.setattr(doctor, "LITTLE_SPACE", 1 << 60)
    finding = by_name()["storage"]
    assert not finding.ok and not finding.is_fatal and "make room" in finding.advice


def test_programs_are_looked_for_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"nvcc": "echo 'Cuda compilation tools, release 12.6, V12.6.1'", "git": "exit 3"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}")
    found = by_name()
    assert found["nvcc"].found == "Cuda compilation tools, release 12.6, V12.6.1"
    assert not found["git"].ok and not found["c++"].ok and "g++" in found["c++"].advice


def test_the_gpus_of_this_process_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nprintf 'GPU 0: A\\nGPU 1: B\\n  MIG 1g: (UUID)\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == ("0", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-77")
    assert visible_gpus() == ("3", "GPU-77")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == ()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    program.write_text(
        "#!/bin/sh\necho 'NVIDIA-SMI has failed because it could not communicate with the driver'\nexit 9\n"
    )
    assert visible_gpus() == ()


def test_the_blender_of_a_task_is_that_of_its_image_or_of_its_site_or_the_one_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blender = tmp_path / "blender"
    blender.write_text("#!/bin/sh\necho Blender 4.2.1 LTS\n")
    blender.chmod(0o755)
    monkeypatch.setenv("NSG_BLENDER", str(blender))
    assert by_name()["blender"].found == f"Blender 4.2.1 at {blender}"
    (tmp_path / "own.yaml").write_text("name: own\nscheduler: slurm\nstorage: /tmp\n")
    found = by_name(str(tmp_path / "own.yaml"))["blender"].found
    assert found == f"Blender 4.2.1 at {blender}; jobs without a container use it as well, where their nodes see it"
    for more, words in (
        ("environment: {NSG_BLENDER: $APPS/blender}", "$APPS/blender, which a job of the site looks up"),
        (f"environment: {{NSG_BLENDER: {tmp_path}/none}}", "none"),
        ("container: {image: /images/a.sif}", "launch.py image check /images/a.sif' tells"),
    ):
        (tmp_path / "site.yaml").write_text(f"name: own\nscheduler: slurm\nstorage: /tmp\n{more}\n")
        assert words in by_name(str(tmp_path / "site.yaml"))["blender"].found
