"""The submitit plugin for Grid Engine: ``submitit.AutoExecutor(folder, cluster="gridengine")``."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from typing import ClassVar

from submitit.core import logger

from nsg_cluster.executor.environment import SchedulerEnvironment
from nsg_cluster.executor.plugin import SchedulerExecutor, SchedulerJob
from nsg_cluster.executor.watcher import SchedulerWatcher
from nsg_cluster.scheduler.gridengine import GridEngine

__all__ = ["GridEngineExecutor", "GridEngineJob", "GridEngineJobEnvironment", "GridEngineWatcher"]

# A job that ends with it is queued again under its number.
RESCHEDULE = 99


class GridEngineWatcher(SchedulerWatcher):
    """Asks qstat, and qacct for the jobs that it does not list."""

    def __init__(self) -> None:
        super().__init__(GridEngine())


class GridEngineJob(SchedulerJob):
    """A job or an element of an array in Grid Engine."""

    dialect = GridEngine()
    watcher = GridEngineWatcher()


class GridEngineExecutor(SchedulerExecutor):
    """Submits functions to Grid Engine."""

    job_class = GridEngineJob
    PARAMETERS: ClassVar[Mapping[str, str]] = {
        **SchedulerExecutor.PARAMETERS,
        "group_flag": "-g where the site wraps qsub, -P elsewhere",
        "parallel_environment": "parallel environment whose slots are the CPUs of one node",
        "gpu_resource": "consumable that counts GPUs",
        "memory_resource": "consumable that counts memory",
    }
    _DIALECT = ("group_flag", "parallel_environment", "gpu_resource", "memory_resource")

    @property
    def dialect(self) -> GridEngine:
        """Grid Engine as the parameters say it is set up."""
        return GridEngine(**{name: self.parameters[name] for name in self._DIALECT if name in self.parameters})

    @classmethod
    def affinity(cls) -> int:
        """Return 2 where Grid Engine is installed: PBS has a qsub too, but no qconf."""
        return 2 if shutil.which("qsub") and (shutil.which("qconf") or "SGE_ROOT" in os.environ) else -1


class GridEngineJobEnvironment(SchedulerEnvironment):
    """The environment of a job of Grid Engine."""

    def _requeue(self, countdown: int) -> None:
        logger.get_logger().info(f"Job {self.job_id} asks to be queued again ({countdown} remaining timeouts)")
        sys.exit(RESCHEDULE)
