"""The four rules of the architecture: which module may import which."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "nsg_cluster"

# What each package may import of ours, besides itself. ``tasks`` and ``cli`` reach further inside calls only.
BELOW = {
    "core": set(),
    "config": {"core"},
    "scheduler": {"core"},
    "container": {"core", "config"},
    "runs": {"core", "config", "container", "executor", "scheduler", "tasks", "objects.program"},
    "executor": {"core", "config", "container", "scheduler", "tasks"},
    "objects": {"core", "config", "tasks.lock", "blender"},
    "tasks": {"core", "config"},
    "report": {"core", "config"},
    "cli": {"core", "config", "container", "runs", "report", "tasks", "executor"},
    "__main__": {"cli"},
    "__init__": set(),
    "blender": set(),
    "ops": {"core"},
    "geometry": {"ops"},
    "data": {"geometry", "config", "core"},
    "fields": {"ops", "geometry"},
    "sampling": {"geometry", "ops"},
    "render": {"geometry", "ops"},
    "models": {"geometry", "render", "fields", "sampling", "ops", "config", "core", "data.scene"},
    "training": {"geometry", "render", "data", "fields", "ops", "models", "config", "core"},
    "outputs": {"geometry", "render", "data", "fields", "ops", "models", "training", "config", "core"},
    "viewer": {"geometry", "render", "data", "models", "training", "outputs", "config", "core"},
}
CONTROL = {
    "core",
    "config",
    "scheduler",
    "container",
    "runs",
    "executor",
    "tasks",
    "report",
    "objects",
    "cli",
    "__main__",
}
COMPUTE = set(BELOW) - CONTROL - {"__init__"}
TORCH = {"torch", "jaxtyping", "numpy"}
LAUNCHING = {"submitit", "subprocess"}


def imports(path: Path, *, at_import_time: bool) -> set[str]:
    """Names of the modules that a file imports, absolute; those inside functions and TYPE_CHECKING on request."""
    tree = ast.parse(path.read_text())
    found: set[str] = set()
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        deferred = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        )
        if not (at_import_time and deferred):
            stack.extend(ast.iter_child_nodes(node))
    return found


def package_of(path: Path) -> str:
    """First component below the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_the_packages_below_it(path: Path) -> None:
    package = package_of(path)
    ours = {
        name.removeprefix("nsg_cluster.")
        for name in imports(path, at_import_time=True)
        if name.startswith("nsg_cluster.")
    }
    allowed = BELOW[package] | {package}
    wrong = {name for name in ours if not any(f"{name}.".startswith(f"{ok}.") for ok in allowed)}
    assert not wrong - {"__version__"}, f"{path}: {package} may import {sorted(allowed)}, not {sorted(wrong)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_control_plane_loads_no_torch_and_the_compute_plane_launches_nothing(path: Path) -> None:
    package = package_of(path)
    roots_now = {name.split(".")[0] for name in imports(path, at_import_time=True)}
    roots_ever = {name.split(".")[0] for name in imports(path, at_import_time=False)}
    if package in CONTROL:
        assert not roots_now & TORCH, f"{path} is loaded on login nodes, which have no torch"
    if package in COMPUTE:
        assert not roots_ever & LAUNCHING, f"{path} runs inside the container and starts no programs"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_core_process_starts_programs(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path, at_import_time=False)}
    assert "subprocess" not in roots or path == PACKAGE / "core" / "process.py"


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if package_of(path) in {"ops", "geometry", "fields", "sampling", "render"}],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_the_mathematics_never_sees_a_configuration(path: Path) -> None:
    assert not {name for name in imports(path, at_import_time=False) if name.startswith("nsg_cluster.config")}


def test_every_module_has_a_test_that_mirrors_it() -> None:
    tests = Path(__file__).resolve().parent
    missing = [
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if path.stem not in {"__init__", "__main__"}
        and not any(tests.rglob(f"test_{path.stem}*.py"))
        and not any(
            f"nsg_cluster.{'.'.join(path.relative_to(PACKAGE).with_suffix('').parts)}" in test.read_text()
            for test in tests.rglob("*.py")
        )
    ]
    assert not missing, f"no test names these modules: {missing}"
