"""Conversations with one scheduler, run as an ordinary user: ``python -m tests.executor.asking SCHEDULER WHAT FOLDER``.

Each function prints what it found as one JSON document.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nsg_cluster.core.errors import MachineError
from nsg_cluster.executor.client import Client
from nsg_cluster.scheduler.dialect import Dialect
from nsg_cluster.scheduler.gridengine import GridEngine
from nsg_cluster.scheduler.pbs import Pbs
from nsg_cluster.scheduler.slurm import Slurm
from nsg_cluster.scheduler.types import JobId, JobStatus, Resources, Submission

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (GridEngine(), Pbs(), Slurm())}


class Asking:
    """Asks a scheduler."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        self.client = Client(DIALECTS[kind])
        self.began = time.time()

    def submit(self, body: str = "true", **changes: Any) -> JobId:
        """Submit a script."""
        types = {"gridengine": Resources(resource_type="rt_G.small"), "pbs": Resources(cpus=1), "slurm": Resources()}
        submission = Submission(
            **{"name": "asking", "resources": types[self.kind], "sink": str(self.folder), **changes}
        )
        dialect = self.client.dialect
        header = [f"{dialect.prefix} {option}" for option in dialect.directives(submission)]
        script = self.folder / "job.sh"
        script.write_text("\n".join(["#!/bin/bash", *header, body, ""]))
        return self.client.submit(submission, script)

    def status(self, *jobs: JobId) -> dict[str, JobStatus]:
        """Return what is known now."""
        return {str(job): status for job, status in self.client.status(jobs, since=self.began).known.items()}

    def over(self, *jobs: JobId) -> dict[str, str]:
        """Wait for the ends of jobs and return their states."""
        for _ in range(100):
            found = self.status(*jobs)
            if len(found) == len(jobs) and all(status.state.is_over for status in found.values()):
                break
            time.sleep(0.3)
        return {job: status.state.value for job, status in found.items()}

    def names(self) -> dict[str, Any]:
        """Find jobs by their name: arrays as a whole, and no others."""
        name = self.folder.name
        plain = self.submit("sleep 5", name=name)
        array = self.submit("sleep 5", name=name, elements=3)
        other = self.submit("sleep 5", name=f"{name}-not")
        found = self.client.find(name)
        self.client.cancel([plain, array, other])
        return {"submitted": [str(plain), str(array)], "found": sorted(map(str, found), key=int)}

    def ends(self) -> dict[str, Any]:
        """Wait for jobs that end well, badly and by a signal, and for one that was never submitted."""
        jobs = [self.submit("exit 0"), self.submit("exit 3"), self.submit("kill -9 $$")]
        states = self.over(*jobs)
        time.sleep(1)  # the accounts follow
        found = self.status(*jobs, JobId("99999"))
        details = [[found[str(job)].exit_status, found[str(job)].signal] for job in jobs]
        return {"states": list(states.values()), "details": details, "unknown": "99999" in found}

    def array(self) -> dict[str, Any]:
        """Cancel all of an array with one word, and again."""
        array = self.submit("sleep 60", elements=20, max_parallel=2)
        elements = [array.element(index) for index in range(20)]
        before = self.status(*elements)
        self.client.cancel([array])
        time.sleep(1)
        self.client.cancel([array])
        return {"known": len(before), "after": sorted(set(self.over(*elements[:2]).values()))}

    def large(self) -> dict[str, Any]:
        """Submit an array of a thousand and look at it."""
        began = time.monotonic()
        array = self.submit("sleep 60", elements=1000, max_parallel=1)
        submitted_s = time.monotonic() - began
        found = self.status(*(array.element(index) for index in range(1000)))
        looked_s = time.monotonic() - began - submitted_s
        self.client.cancel([array])
        return {"known": len(found), "submitted_s": submitted_s, "looked_s": looked_s}

    def silence(self) -> dict[str, Any]:
        """Ask a server that does not answer, and one whose JSON is broken."""
        state = Path(sys.argv[4])
        job = self.submit("sleep 2")
        said = {}
        for flag in ("down", "broken_json"):
            (state / flag).touch()
            try:
                said[flag] = self.status(job)[str(job)].state.value
            except MachineError as error:
                said[flag] = str(error)
            (state / flag).unlink()
        return said


if __name__ == "__main__":
    asking = Asking(sys.argv[1], Path(sys.argv[3]))
    what: Callable[[], dict[str, Any]] = getattr(asking, sys.argv[2])
    print(json.dumps(what()))
