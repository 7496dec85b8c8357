"""The launcher's side of the tests with schedulers, run as an ordinary user: prints one JSON document.

``python -m tests.executor.drive SCHEDULER FOLDER``
"""

from __future__ import annotations

import functools
import json
import operator
import sys
import time
from pathlib import Path
from typing import Any

from nsg_cluster.core.errors import NsgError
from nsg_cluster.executor import client, plugin
from nsg_cluster.executor.gridengine import GridEngineExecutor
from nsg_cluster.executor.pbs import PbsExecutor
from nsg_cluster.executor.plugin import SchedulerExecutor, SchedulerJob
from nsg_cluster.executor.slurm import SlurmExecutor
from nsg_cluster.scheduler.types import Dependency, JobId, Submission
from tests.executor import functions

EXECUTORS: dict[str, type[SchedulerExecutor]] = {
    kind.name(): kind for kind in (GridEngineExecutor, PbsExecutor, SlurmExecutor)
}
SITE: dict[str, dict[str, Any]] = {
    "gridengine": {"resource_type": "rt_G.small", "group": "gaa50000", "group_flag": "-g"},
    "pbs": {"cpus_per_task": 1},
    "slurm": {"cpus_per_task": 1, "mem_gb": 0.1},
}
HOLD = {"gridengine": "-h", "pbs": "-h", "slurm": "--hold"}
WAIT_S = 100.0


class Story:
    """Everything that is tried with one scheduler, at the same time."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        self.submissions = 0
        submit = client.Client.submit

        def counted(asked: client.Client, submission: Submission, script: Path) -> JobId:
            self.submissions += 1
            return submit(asked, submission, script)

        client.Client.submit = counted  # type: ignore[assignment, method-assign]
        self.parts = {
            "outcomes": self.outcomes,
            "continued": self.continued,
            "elements": self.elements,
            "held": self.held,
            "blocked": self.blocked,
            "hostile": self.hostile,
            "orphan": self.orphan,
        }

    def executor(self, name: str, **parameters: Any) -> SchedulerExecutor:
        """Return an executor with a folder of its own."""
        executor = EXECUTORS[self.kind](self.folder / name)
        executor.job_class.watcher._delay_s = 2
        executor.update_parameters(**{"timeout_min": 3, "name": name, **SITE[self.kind], **parameters})
        return executor

    def tell(self) -> dict[str, Any]:
        """Start everything, wait for all ends, and return what was seen."""
        began = time.monotonic()
        started = {name: part() for name, part in self.parts.items()}
        told: dict[str, Any] = {"submissions": self.submissions, "seconds_to_submit": time.monotonic() - began}
        while time.monotonic() - began < WAIT_S and not all(self._done(jobs) for jobs in started.values()):
            self._interfere(started)
            time.sleep(0.5)
        for name, jobs in started.items():
            told[name] = [self._account(job) for job in jobs]
        told["queries"] = started["outcomes"][0].watcher.num_calls
        told["seconds"] = time.monotonic() - began
        return told

    def _done(self, jobs: list[SchedulerJob]) -> bool:
        for job in jobs:
            job.get_info(mode="standard")
        return all(job.done() for job in jobs)

    def _interfere(self, started: dict[str, list[SchedulerJob]]) -> None:
        """Cancel one element as soon as it runs, another that waits, and the held job, each once."""
        elements = started["elements"]
        if (
            elements[0].state == "RUNNING"
            and not (elements[0].paths.folder / f"{elements[0].job_id}_cancelled").exists()
        ):
            plugin.cancel([elements[0], elements[3]])
        (held,) = started["held"]
        if held.state == "PENDING" and not (held.paths.folder / f"{held.job_id}_cancelled").exists():
            held.cancel()

    def _account(self, job: SchedulerJob) -> dict[str, Any]:
        job._results_timeout_s = 1
        error = job.exception() if job.done() else None
        result = job.result() if job.done() and error is None else None
        return {"id": job.job_id, "done": job.done(), "result": result, "error": str(error), **job.get_info()}

    def outcomes(self) -> list[SchedulerJob]:
        """Submit an array whose elements end in different ways."""
        endings = [
            functools.partial(operator.add, 3, 4),
            functools.partial(functions.fail, "too bad"),
            functools.partial(functions.leave, 3),
            functools.partial(functions.die),
            functools.partial(functions.seen),
        ]
        jobs: list[SchedulerJob] = self.executor("outcomes").submit_array(endings)
        return jobs

    def continued(self) -> list[SchedulerJob]:
        """Submit jobs that need more time than they have."""
        executor = self.executor("continued", timeout_min=1 / 3, signal_delay_s=15)
        executor.max_num_timeout = 20
        counts = [functions.Count(str(self.folder / f"count{index}"), 80) for index in range(2)]
        jobs: list[SchedulerJob] = executor.submit_array(counts)
        return jobs

    def elements(self) -> list[SchedulerJob]:
        """Submit an array of which some are cancelled."""
        executor = self.executor("elements", array_parallelism=1)
        sleepers = [functools.partial(functions.sleep, 30 if index == 0 else 0.1) for index in range(5)]
        jobs: list[SchedulerJob] = executor.submit_array(sleepers)
        return jobs

    def held(self) -> list[SchedulerJob]:
        """Submit a job that waits for a person."""
        return [self.executor("held", options=[HOLD[self.kind]]).submit(functions.sleep, 0)]

    def blocked(self) -> list[SchedulerJob]:
        """Submit a job that can never start: after one that fails, or with a log that cannot be written."""
        if self.kind == "gridengine":
            return [self.executor("blocked", options=["-j n", f"-e {self.folder}/absent/x"]).submit(functions.sleep, 0)]
        failing = self.executor("failing").submit(functions.leave, 1)
        after = Dependency(jobs=(JobId.parse(failing.job_id),), success=True)
        return [self.executor("blocked", after=after).submit(functions.sleep, 0)]

    def hostile(self) -> list[SchedulerJob]:
        """Submit a job with a name and a folder that hold what shells and schedulers read otherwise."""
        folder = "it's $(touch x) %j" if self.kind == "slurm" else "it's (touch x) %j"
        executor = EXECUTORS[self.kind](self.folder / folder)
        executor.update_parameters(**SITE[self.kind], name='1 "$(touch y)"\n/é', timeout_min=3)
        return [executor.submit(functions.seen)]

    def orphan(self) -> list[SchedulerJob]:
        """Die between the submission and what follows it; look at the job from its number alone."""
        executor = self.executor("orphan")
        kind, numbers = executor.job_class, []

        def dead(*, folder: str, job_id: str) -> SchedulerJob:
            numbers.append(job_id)
            raise KeyboardInterrupt

        dead.dialect = kind.dialect  # type: ignore[attr-defined]
        executor.job_class = dead  # type: ignore[assignment]
        try:
            executor.submit(functions.sleep, 0.1)
        except KeyboardInterrupt:
            return [kind(folder=executor.folder, job_id=numbers[0])]
        raise AssertionError


def refusals(kind: str, folder: Path) -> dict[str, str]:
    """Return what is said to submissions that cannot be."""
    attempts: dict[str, dict[str, Any]] = {
        "queue": {"queue": "nosuch", "resource_type": None},
        "group": {"group": "nosuch"},
        "amount": {"nodes": 1, "resource_type": None, "cpus_per_task": 9999},
    }
    said = {}
    for name, parameters in attempts.items():
        executor = EXECUTORS[kind](folder / name)
        try:
            executor.update_parameters(**{**SITE[kind], "timeout_min": 1, **parameters})
            job = executor.submit(functions.sleep, 0)
        except NsgError as error:
            said[name] = str(error)
        else:
            time.sleep(3)
            said[name] = f"{job.get_info()}"
            job.cancel()
    return said


if __name__ == "__main__":
    told = Story(sys.argv[1], Path(sys.argv[2])).tell()
    print(json.dumps(told | {"refusals": refusals(sys.argv[1], Path(sys.argv[2]))}))
