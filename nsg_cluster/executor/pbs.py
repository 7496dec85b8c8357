"""The submitit plugin for PBS: ``submitit.AutoExecutor(folder, cluster="pbs")``.

PBS lets only operators queue a job again. A job that is not done at its time limit submits its own script as a new job
instead, which takes over its number among submitit's files.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import replace

from submitit.core import logger

from nsg_cluster.core.files import write_atomic
from nsg_cluster.core.process import run
from nsg_cluster.executor.client import SUBMIT_TIMEOUT_S
from nsg_cluster.executor.environment import SchedulerEnvironment
from nsg_cluster.executor.plugin import SchedulerExecutor, SchedulerJob
from nsg_cluster.executor.watcher import JobFiles, SchedulerWatcher
from nsg_cluster.scheduler.pbs import CONTINUES, Pbs
from nsg_cluster.tasks.base import RESUBMIT, WAIT_FOR

__all__ = ["PbsExecutor", "PbsJob", "PbsJobEnvironment", "PbsWatcher"]


class PbsWatcher(SchedulerWatcher):
    """Asks qstat, which knows ended jobs too."""

    def __init__(self) -> None:
        super().__init__(Pbs())


class PbsJob(SchedulerJob):
    """A job or an element of an array in PBS."""

    dialect = Pbs()
    watcher = PbsWatcher()


class PbsExecutor(SchedulerExecutor):
    """Submits functions to PBS."""

    job_class = PbsJob

    def _environment(self, uid: str) -> dict[str, str]:
        again = replace(self.submission(None), after=None)
        return {RESUBMIT: shlex.join(self.dialect.submit_argv(again, str(self.script(uid))))}

    @classmethod
    def affinity(cls) -> int:
        """Return 2 where PBS is installed: Grid Engine has a qsub too, but no pbsnodes."""
        return 2 if shutil.which("qsub") and shutil.which("pbsnodes") else -1


class PbsJobEnvironment(SchedulerEnvironment):
    """The environment of a job of PBS."""

    def _requeue(self, countdown: int) -> None:
        files = JobFiles(self.paths)
        if files.cancelled.exists():
            logger.get_logger().info(f"Job {self.job_id} is cancelled and does not go on")
            return
        program, *arguments = shlex.split(os.environ[RESUBMIT])
        argv = [program, "-v", f"{CONTINUES}={self.job_id}", *_waiting(), *arguments]
        job = Pbs().parse_submission(run(argv, timeout_s=SUBMIT_TIMEOUT_S))
        # Written before this job ends, so that whoever sees its end also sees what goes on.
        write_atomic(files.continued, str(job))
        logger.get_logger().info(f"Job {self.job_id} goes on as {job} ({countdown} remaining timeouts)")
        # What waits for this job's success is not to be given up; it looks at the task itself before it begins.
        sys.exit(0)


def _waiting() -> list[str]:
    """Return the option that lets the next job wait for another, where this one began too early."""
    job = os.environ.get(WAIT_FOR)
    return ["-W", f"depend=afterany:{job}"] if job else []
