"""Lets each step of a real training take a tenth of a second more, so that a short time limit cuts it into pieces.

Loaded by every Python that a test starts with this folder on ``PYTHONPATH``; waiting changes no bit of the results.
"""

from __future__ import annotations

import sys
import time
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

MODULE = "nsg_cluster.training.step"
WAIT_S = 0.1


class _Slow(MetaPathFinder, Loader):
    """Loads the module of a step and puts a wait into it."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find that one module."""
        if name != MODULE:
            return None
        self._real = PathFinder.find_spec(name, path, target)
        return ModuleSpec(name, self, origin=self._real.origin if self._real else None)

    def create_module(self, spec: ModuleSpec) -> None:
        """Make it as usual."""

    def exec_module(self, module: ModuleType) -> None:
        """Run it, and wrap its function."""
        assert self._real and self._real.loader
        module.__file__ = self._real.origin
        self._real.loader.exec_module(module)
        step = module.take_step

        def slow(*arguments: Any, **keywords: Any) -> Any:
            time.sleep(WAIT_S)
            return step(*arguments, **keywords)

        module.take_step = slow  # type: ignore[attr-defined]


sys.meta_path.insert(0, _Slow())
