"""What can be known about the CUDA kernels without a GPU: how they are started, and that none is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSRC = Path(__file__).resolve().parents[2] / "csrc"
SOURCES = sorted([*(CSRC / "cuda").glob("*.cu"), *(CSRC / "cuda").glob("*.h")])
KERNELS = sorted((CSRC / "cuda").glob("*.cu"))


def code(path: Path) -> str:
    """Return a source without its comments."""
    return re.sub(r"//[^\n]*", "", path.read_text())


def test_every_launch_in_the_sources_has_a_device_guard_a_stream_and_a_check() -> None:
    launches = 0
    for path in SOURCES:
        text = code(path)
        places = re.findall(r"<<<(.*?)>>>.*?\n(.*?)\n", text)
        guards = len(re.findall(r"const DeviceGuard guard\(", text))
        checks = text.count("check(cudaGetLastError(), op);")
        assert text.count("<<<") == len(places) == guards == checks, f"{path.name}: launches, guards and checks differ"
        for configuration, next_line in places:
            assert "queue.stream" in configuration, f"{path.name}: a launch does not take the caller's stream"
            assert next_line.strip() == "check(cudaGetLastError(), op);", f"{path.name}: the check does not follow"
        launches += len(places)
    assert launches == 1, "kernels are started by launch_blocks alone"


def test_every_kernel_is_started_through_the_guarded_launch() -> None:
    for path in KERNELS:
        text = code(path)
        defined = set(re.findall(r"__global__\s+void\s+(?:__launch_bounds__\(\w+\)\s+)?(\w+)\(", text))
        runs = text.split("}  // namespace\n")[-1]
        assert all(re.search(rf"\b{kernel}\b", runs) for kernel in defined), f"{path.name}: a kernel is never started"
        starts = len(re.findall(r"\blaunch(?:_tiles)?(?:<\w+>)?\(", runs))
        assert starts >= len(re.findall(r"^void run\(", runs, re.MULTILINE)), f"{path.name}: an op starts no kernel"


def test_every_cuda_call_is_checked() -> None:
    for path in SOURCES:
        # In a destructor nobody could be told, and the names of errors cannot fail.
        text = re.sub(r"~\w+\(\) \{.*?\n    \}", "", code(path), flags=re.DOTALL)
        text = re.sub(r"cudaGetError(Name|String)\(", "", text)
        calls = re.findall(r"\bcuda[A-Z]\w+\(", text)
        checked = re.findall(r"\bcheck\(cuda[A-Z]\w+\(", text)
        assert len(calls) == len(checked), f"{path.name}: {len(calls)} CUDA calls, {len(checked)} of them checked"


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.name)
def test_indices_into_arrays_are_64_bits_wide(path: Path) -> None:
    loops = re.findall(r"for \((\w+) (\w+) = (begin\(\)|first_ray\(\)|blockIdx\.x)", code(path))
    assert all(type_ == "int64_t" for type_, _, _ in loops)
    assert not re.search(r"\bint\w* \w+ = (blockIdx|threadIdx)\.x \*", code(path))


def test_every_op_of_the_cpu_has_a_cuda_kernel_in_a_file_of_the_same_name() -> None:
    listed = set(re.findall(r"X\((\w+)\)\s*\\?\n", (CSRC / "common" / "ops.h").read_text()))
    assert len(listed) > 10
    for folder, suffix in (("cpu", "cpp"), ("cuda", "cu")):
        defined = {
            op: path.stem
            for path in (CSRC / folder).glob(f"*.{suffix}")
            for op in re.findall(r"^void run\(const (\w+)& ", path.read_text(), re.MULTILINE)
        }
        assert set(defined) == listed, f"{folder}: {set(defined) ^ listed}"
        if folder == "cpu":
            files = defined
        else:
            assert defined == files
