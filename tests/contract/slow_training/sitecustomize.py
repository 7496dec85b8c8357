"""Slows a real training down, so that a time limit of moments cuts it into pieces of about the same length.

The first steps of an attempt are as quick as ever; each further one waits. However long a loaded machine takes to start
an attempt, it gets that far, and not much further before its time is up. Waiting changes no bit of the results. Loaded
by every Python that a test starts with this folder on ``PYTHONPATH``.
"""

from __future__ import annotations

import itertools
import sys
import time
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

MODULE = "nsg_cluster.training.step"
QUICK_STEPS, WAIT_S = 90, 1.0


class _Slow(MetaPathFinder, Loader):
    """Loads the module of a step and puts waits into it."""

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
        step, taken = module.take_step, itertools.count(1)

        def slow(*arguments: Any, **keywords: Any) -> Any:
            if next(taken) > QUICK_STEPS:
                time.sleep(WAIT_S)
            return step(*arguments, **keywords)

        module.take_step = slow  # type: ignore[attr-defined]


sys.meta_path.insert(0, _Slow())
