"""An op is a definition, a function, a formula, a CPU and a CUDA source, and a binding: one name in all places."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

from nsg_cluster.ops import library
from tests.ops.conftest import needs_kernels

CHECKOUT = Path(__file__).resolve().parents[2]
CSRC = CHECKOUT / "csrc"
# Ops that are written as several kernels, or as one that serves two functions.
FUNCTIONS = {
    "box_hits_count": ["box_hits"],
    "box_hits_write": ["box_hits"],
    "march_count": ["march_occupancy", "march_rounds"],
    "march_write": ["march_occupancy", "march_rounds"],
}
MODULES = [
    "adam",
    "bits",
    "boxes",
    "encode",
    "frequency",
    "histogram",
    "lens",
    "march",
    "merge",
    "mlp",
    "occupancy",
    "volume",
]


def kernels_of(module: str) -> list[str]:
    """Return the kernels that a header declares, as Python calls them."""
    text = (CSRC / "common" / f"{module}.h").read_text()
    listed = set(re.findall(r"X\((\w+)\)", (CSRC / "common" / "ops.h").read_text()))
    names = [name for name in re.findall(r"^struct (\w+) \{", text, re.MULTILINE) if name in listed]
    return [re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower() for name in names]


def functions_of(kernel: str) -> list[str]:
    """Return the Python functions that a kernel computes."""
    return FUNCTIONS.get(kernel, [kernel.removesuffix("_forward").removesuffix("_backward")])


def test_every_kernel_belongs_to_a_module_of_this_list() -> None:
    listed = re.findall(r"X\((\w+)\)", (CSRC / "common" / "ops.h").read_text())
    assert len(listed) == sum(len(kernels_of(module)) for module in MODULES)
    folders = [CHECKOUT / "nsg_cluster" / "ops" / "reference", CSRC / "bindings"]
    for folder, others in zip(folders, ({"__init__"}, {"arrays"}), strict=True):
        assert {path.stem for path in folder.iterdir() if path.is_file()} - others == set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_a_file_in_every_place_and_a_test(module: str) -> None:
    places = [
        *(CSRC / "common" / f"{module}.h", CSRC / "cpu" / f"{module}.cpp", CSRC / "cuda" / f"{module}.cu"),
        *(CSRC / "bindings" / f"{module}.h", CHECKOUT / "tests" / "ops" / f"test_{module}.py"),
    ]
    assert not [str(path) for path in places if not path.is_file()]


@pytest.mark.parametrize("module", MODULES)
def test_every_kernel_is_a_function_with_a_definition_of_the_same_arguments(module: str) -> None:
    public = importlib.import_module(f"nsg_cluster.ops.{module}")
    reference = importlib.import_module(f"nsg_cluster.ops.reference.{module}")
    assert kernels_of(module)
    for kernel in kernels_of(module):
        for name in functions_of(kernel):
            assert name in public.__all__
            assert name in reference.__all__
            ours, definition = (inspect.signature(getattr(m, name)).parameters for m in (public, reference))
            assert name == "march_rounds" or list(ours) == list(definition)


@pytest.mark.parametrize("module", MODULES)
def test_every_function_documents_its_errors(module: str) -> None:
    public = importlib.import_module(f"nsg_cluster.ops.{module}")
    for kernel in kernels_of(module):
        for name in functions_of(kernel):
            assert "Raises:" in (getattr(public, name).__doc__ or ""), f"{module}.{name}"


@needs_kernels
@pytest.mark.parametrize("module", MODULES)
def test_every_kernel_is_bound(module: str) -> None:
    backends = [getattr(library.module(), name, None) for name in ("cpu", "cuda")]
    for kernel in kernels_of(module):
        assert all(hasattr(backend, kernel) for backend in backends if backend is not None), kernel


@needs_kernels
def test_a_binding_refuses_arrays_that_do_not_fit_each_other() -> None:
    import torch

    kernels = library.module().cpu
    with pytest.raises(ValueError, match=r"codes has shape \(3\), expected \(4\)"):
        kernels.morton_encode(torch.zeros(4, 3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(TypeError, match="incompatible function arguments"):
        kernels.trunc_exp_forward(torch.zeros(4, dtype=torch.float16), torch.zeros(4))
    with pytest.raises(ValueError, match="offsets must begin with 0"):
        one = torch.ones(3)
        kernels.distortion_forward(one, one, one, torch.tensor([0, 9]), torch.zeros(1))
    rays, map_to_box, bounds = torch.zeros(1, 3), torch.zeros(1, 3, 4), torch.zeros(1, 1, 6, 16)
    index, slots = torch.zeros(1, dtype=torch.int64), torch.full((1, 1, 16), -1)
    with pytest.raises(ValueError, match="frames must lie from 0 to 0"):
        kernels.box_hits_count(rays, rays, index + 1, map_to_box, slots, bounds, bounds, index)
    with pytest.raises(ValueError, match="slots must lie from -1 to 0"):
        kernels.box_hits_count(rays, rays, index, map_to_box, slots + 2, bounds, bounds, index)
