"""Slurm, by the same four classes as the plugins.

Submitit's own executor for Slurm is not used: it makes jobs of another class for arrays, loses the warning before the
time limit without ``srun``, takes states that it does not know for an end, and knows nothing without accounts.
"""

from __future__ import annotations

import shutil
import time

from submitit.core import logger

from nsg_cluster.core.process import run
from nsg_cluster.executor.client import QUERY_TIMEOUT_S
from nsg_cluster.executor.environment import SchedulerEnvironment
from nsg_cluster.executor.plugin import SchedulerExecutor, SchedulerJob
from nsg_cluster.executor.watcher import SchedulerWatcher
from nsg_cluster.scheduler.slurm import Slurm

__all__ = ["SlurmExecutor", "SlurmJob", "SlurmJobEnvironment", "SlurmWatcher"]

# Slurm ends a job that was queued again from within; it is given the time to.
END_S = 60.0


class SlurmWatcher(SchedulerWatcher):
    """Asks squeue, and sacct for the jobs that it does not list."""

    def __init__(self) -> None:
        super().__init__(Slurm())


class SlurmJob(SchedulerJob):
    """A job or an element of an array in Slurm."""

    dialect = Slurm()
    watcher = SlurmWatcher()


class SlurmExecutor(SchedulerExecutor):
    """Submits functions to Slurm."""

    job_class = SlurmJob

    @classmethod
    def affinity(cls) -> int:
        """Return 2 where Slurm is installed."""
        return 2 if shutil.which("sbatch") else -1


class SlurmJobEnvironment(SchedulerEnvironment):
    """The environment of a job of Slurm."""

    def _requeue(self, countdown: int) -> None:
        logger.get_logger().info(f"Job {self.job_id} is queued again ({countdown} remaining timeouts)")
        run(["scontrol", "requeue", self.job_id], timeout_s=QUERY_TIMEOUT_S).check()
        # An exit before Slurm's signal arrives would be written down as a failure.
        time.sleep(END_S)
